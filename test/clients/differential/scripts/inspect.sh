# docker inspect: whole documents
@docker load -q -i "$IMAGE"
@docker create --name plain busybox
docker inspect plain
docker inspect --size -f '{{.SizeRw}} {{gt .SizeRootFs 0}}' plain
@docker start plain; docker wait plain
docker inspect plain
@docker network create --subnet 10.44.0.0/24 --gateway 10.44.0.1 insnet
@docker volume create insvol
@docker create --name full -it -e A=b -u 1:2 -w /w -h host --domainname dom --entrypoint sh --label a=b -p 127.0.0.1:40011:80 -p 40012-40013:90-91/udp --expose 7 -v insvol:/vol:ro -v /home:/host --tmpfs /tm:size=1m --mount type=volume,dst=/anon,volume-nocopy --read-only --restart on-failure:3 --cap-add NET_ADMIN --cap-drop MKNOD --security-opt no-new-privileges --device /dev/null --ulimit nofile=10:20 --sysctl net.core.somaxconn=99 --memory 64m --memory-swap 128m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 50 --blkio-weight 300 --oom-score-adj 5 --shm-size 1m --dns 1.2.3.4 --dns-search x.y --dns-option a --add-host h:1.1.1.1 --group-add 5 --init --stop-signal INT --stop-timeout 7 --log-opt max-size=1m --log-opt max-file=2 --network insnet --ip 10.44.0.9 --network-alias al --mac-address 02:00:00:00:00:09 --health-cmd 'true' --health-interval 9s --health-retries 2 --health-timeout 3s --health-start-period 4s --ipc shareable --pid host --cgroupns host --uts host --annotation k=v busybox -c 'sleep 50'
docker inspect full
@docker start full
docker inspect -f '{{json .NetworkSettings}}' full
docker inspect -f '{{json .State.Status}} {{.RestartCount}} {{.Driver}} {{.Platform}} {{json .Mounts}}' full
@docker rm -f full
@docker create --name modes --network container:plain --ipc host --volumes-from plain --privileged --userns host busybox
docker inspect -f '{{json .HostConfig}}' modes
docker inspect -f '{{json .Config}}' modes
docker inspect plain nosuch
docker inspect --type network plain
docker inspect --type volume insvol
docker inspect insnet
docker inspect -f '{{.NoField}}' plain
docker image inspect -f '{{json .Config}} {{json .RootFS.Type}} {{.Os}}/{{.Architecture}}' busybox
@docker rm -f $(docker ps -aq); docker network rm insnet; docker volume prune -af
