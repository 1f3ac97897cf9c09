# networks
@docker load -q -i "$IMAGE"
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect bridge
docker network inspect host none
docker network create n1
docker network create n1
docker network inspect n1
docker network create --subnet 10.50.0.0/24 --gateway 10.50.0.254 --ip-range 10.50.0.128/25 --aux-address a=10.50.0.129 -o com.docker.network.bridge.name=n2br -o com.docker.network.driver.mtu=1400 --label x=y --attachable --internal n2
docker network inspect n2
docker network create --subnet 10.50.0.0/16 n3
docker network create --subnet nonsense n3
docker network create --subnet 10.51.0.0/24 --gateway 10.52.0.1 n3
docker network create --subnet 10.51.0.5/24 n3
docker network create --ip-range 10.51.0.0/25 n3
docker network create -d nosuch n3
docker network create -d host n3
docker network create --ipv6 --subnet fd00:51::/64 --subnet 10.53.0.0/24 n6
docker network inspect n6
docker network create host
docker network create 'b@d'
docker network ls -f driver=bridge --format '{{.Name}}'
docker network ls -f name=n --format '{{.Name}}'
docker network ls -f label=x --format '{{.Name}} {{.Internal}} {{.IPv6}} {{.Labels}}'
docker network ls -f type=custom --format '{{.Name}}'
docker network ls -f type=builtin --format '{{.Name}}'
docker network ls -f dangling=true --format '{{.Name}}'
docker network ls -f scope=local -q | wc -l
docker network ls -f nosuch=1
docker network ls -f type=nosuch
docker run -d --name c1 --network n1 --network-alias al busybox sleep 600
docker run --rm --network n1 busybox sh -c 'nslookup c1 | grep -c "^Address: "; nslookup al >/dev/null && echo alias'
docker network connect n2 c1
docker network connect n2 c1
docker network connect --ip 10.50.0.200 --alias zed n2 c2
docker run -d --name c2 --network n2 --ip 10.50.0.201 busybox sleep 600; docker exec c2 ip -o -4 addr show eth0 | awk '{print $4}'
docker network connect --ip 10.99.0.1 n1 c2
docker network connect --alias zed --ip 10.50.0.202 n2 c1
docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{json $v.IPAMConfig}} {{json $v.Aliases}} {{json $v.DNSNames}};{{end}}' c1
docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}};{{end}}' n2 | tr ';' '\n' | sort
docker network disconnect n2 c1
docker network disconnect n2 c1
docker network disconnect -f n2 nosuch
docker network disconnect nosuch c1
docker network connect nosuch c1
docker network connect host c1
docker network connect none c1
docker network rm n1
docker network rm nosuch
docker network rm bridge
docker network rm host
docker run --rm --network nosuch busybox true
docker run --rm --network n1 --ip 1.2.3.4 busybox true
docker run --rm --ip 172.17.0.77 busybox true
docker run --rm --network-alias x busybox true
docker run --rm --network host -p 80:80 busybox true
docker run --rm --network none --network n1 busybox true
docker run --rm --network container:nosuch busybox true
docker run --rm --network container:c1 -h x busybox true
docker run --rm --network container:c1 -p 80:80 busybox true
docker run --rm --network container:c1 busybox cat /etc/hostname | wc -c
docker run -d --name p1 -p 40051:80 busybox sleep 600; docker run --rm -p 40051:80 busybox true
docker run --rm -p nonsense busybox true
docker run --rm -p 99999:80 busybox true
docker run --rm -p 1.2.3.4:80:80 busybox true
docker run --rm --link c1:x busybox true
docker run --rm --name linker --link p1:web -e KEEP=1 busybox sh -c 'env | grep WEB | sort; grep web /etc/hosts | cut -f2'
docker run --rm --link nosuch:x busybox true
docker inspect -f '{{json .NetworkSettings.Ports}}' p1
docker run -d --name m1 --network name=n1,alias=a1,alias=a2,mac-address=02:00:00:00:00:22 --network n6 busybox sleep 600
docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}} {{$v.GlobalIPv6Address}} {{$v.MacAddress}} {{json $v.Aliases}};{{end}}' m1
docker run -d --name gw --network name=n1,gw-priority=1 --network name=n6,gw-priority=5,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 busybox sleep 600
docker exec gw ip route show default | head -n 1 | sed 's/dev.*//'
docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.GwPriority}} {{json $v.DriverOpts}};{{end}}' gw
docker run -d --name ll --network n1 --link-local-ip 169.254.8.8 busybox sleep 600; docker exec ll ip -o -4 addr | grep -o '169.254[^ ]*'
@docker rm -f $(docker ps -aq)
docker network prune -f | sort
docker network prune -f --filter nosuch=1
@docker network rm $(docker network ls -q -f type=custom); true
