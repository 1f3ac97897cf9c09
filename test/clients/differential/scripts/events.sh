# events: what is told of each verb, filters, since and until
@docker load -q -i "$IMAGE"
@date +%s.%N > t0; docker network create enet; docker volume create evol
@docker run -d --name e1 --label l=1 --network enet -v evol:/v busybox sleep 600
@docker exec e1 true; docker pause e1; docker unpause e1; docker rename e1 e2; docker kill -s USR1 e2; docker top e2; docker export e2 >/dev/null
docker update --memory 64m --memory-swap 64m e2
@docker kill e2; docker wait e2; docker commit e2 ev:1; docker tag ev:1 ev:2; docker rm e2; docker rmi ev:1 ev:2; docker network connect enet nosuch; true
@docker run --name e3 busybox sh -c 'exit 2'; docker start -a e3; docker cp e3:/etc/passwd - >/dev/null; docker cp t0 e3:/; docker rm e3; docker volume rm evol; docker network rm enet
@docker run --name oom --memory 8m --memory-swap 8m busybox sh -c 'tail /dev/zero'; docker rm oom; date +%s.%N > t1
docker events --since $(cat t0) --until $(cat t1) -f type=container --format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}'
docker events --since $(cat t0) --until $(cat t1) -f type=network -f type=volume --format '{{.Type}} {{.Action}} {{json .Actor.Attributes}}'
docker events --since $(cat t0) --until $(cat t1) -f type=image --format '{{.Type}} {{.Action}} {{json .Actor.Attributes}}'
docker events --since $(cat t0) --until $(cat t1) -f container=e3 --format '{{.Action}} {{json .Actor.Attributes}}'
docker events --since $(cat t0) --until $(cat t1) -f event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}'
docker events --since $(cat t0) --until $(cat t1) -f label=l=1 -f event=create --format '{{json .}}'
docker events --since $(cat t0) --until $(cat t1) -f image=busybox -f event=start --format '{{.Actor.Attributes.name}}'
docker events --since $(cat t0) --until $(cat t1) -f network=enet --format '{{.Action}}'
docker events --since $(cat t0) --until $(cat t1) -f volume=evol --format '{{.Action}}'
docker events --since $(cat t0) --until $(cat t1) -f nosuch=1
docker events --since $(cat t0) --until $(cat t1) -f scope=swarm
docker events --since $(cat t0) --until $(cat t1) -f event=exec_create --format '{{.Action}} {{.Scope}}'
@docker run -d --name e4 busybox sleep 600; docker stop -t 0 e4; docker start e4; docker restart -t 0 e4; docker rm -f e4; date +%s.%N > t2
docker events --since $(cat t1) --until $(cat t2) -f container=e4 -f event=stop -f event=restart -f event=start --format '{{.Action}}'
docker events --since nonsense
docker events --since $(cat t0) --until $(cat t1) -f event=oom --format '{{.Actor.Attributes.name}}'
docker events --since $(cat t0) --until $(cat t1) -f event=update -f event=rename --format '{{json .Actor.Attributes}}'
docker events --since $(cat t0) --until $(cat t1) -f event=start -f container=e2
