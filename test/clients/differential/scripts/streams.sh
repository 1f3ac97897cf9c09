# logs, attach, exec, top, port
@docker load -q -i "$IMAGE"
@docker run --name ll -e SECRET=1 busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; echo err >&2; printf partial'
docker logs ll 2>/dev/null
docker logs ll >/dev/null
docker logs -n 2 ll
docker logs --tail 0 ll
docker logs --tail all ll 2>/dev/null | wc -l
docker logs --tail nonsense ll
docker logs -t -n 1 ll
docker logs --since 2001-01-01 --until 2002-01-01 ll
docker logs --since 10m ll 2>/dev/null | wc -l
docker logs --since nonsense ll
docker logs -f ll 2>/dev/null
docker logs nosuch
docker logs --details ll 2>/dev/null | head -1
@docker run --name ld --log-opt env=A --log-opt labels=lab --log-opt tag='{{.Name}}' -e A=1 --label lab=2 busybox echo detail
docker logs --details ld
@docker run --name none --log-driver none busybox echo x
docker logs none
docker inspect -f '{{json .HostConfig.LogConfig}}' none
@docker run --name loc --log-driver local busybox echo local
docker logs loc
docker run --log-driver nosuch busybox true
docker run --log-opt nosuch=1 busybox true
docker run --log-opt max-size=x busybox true
docker run --log-opt max-file=3 busybox true
docker run --log-opt max-file=0 --log-opt max-size=1k busybox true
docker run --log-opt compress=true busybox true
docker run --log-opt mode=wrong busybox true
@docker run -d --name xx -p 127.0.0.1:40031:80 -p 40032:81/udp busybox sh -c 'echo up; sleep 600'; until_true 'docker logs xx | grep -q up'
docker port xx
docker port xx 80
docker port xx 81/udp
docker port xx 99
docker port nosuch
docker top xx | awk '{print $NF}'
docker top xx -o comm,args
docker top xx -o nosuchfield
docker top ll
docker exec xx echo hi
docker exec xx sh -c 'echo o; echo e >&2; exit 9'
echo in | docker exec -i xx cat
docker exec -d xx touch /touched; until_true 'docker exec xx test -e /touched'
docker exec -u 1:1 -w /tmp -e V=w xx sh -c 'id -u; pwd; echo $V'
docker exec xx /nosuch
docker exec xx nosuch
docker exec -w /nosuch xx true
docker exec xx /etc
docker exec -u nosuch xx true
docker exec ll true
docker exec nosuch true
docker exec -t xx tty
docker exec --env-file nosuch xx true
docker exec xx sh -c 'kill -9 $$'
@docker run -d --name aa -i busybox sh -c 'read line; echo got $line; exit 4'
printf 'to attach\n' | docker attach aa >/dev/null
docker attach nosuch
docker attach --sig-proxy=false --no-stdin ll
api POST /containers/xx/exec '{"Cmd":[]}'
api POST /containers/xx/exec '{}'
api GET /exec/nosuch/json
api POST /exec/nosuch/start '{}'
api GET '/containers/xx/logs'
api POST '/containers/ll/resize?h=1&w=1'
api POST '/containers/xx/resize?h=x&w=1'
@docker rm -f $(docker ps -aq)
