# start, stop, kill, pause, wait, rename, restart, update, rm, prune
@docker load -q -i "$IMAGE"
docker create --name web busybox sleep 600
docker start web
docker start web
docker pause web
docker pause web
docker exec web true
docker stop -t 0 web
docker ps -a --format '{{.Names}} {{.State}}'
@docker start web
docker unpause web
docker unpause nosuch
docker rename web site
docker rename site site
docker rename nosuch xx
docker create --name other busybox true
docker rename site other
docker rename site 'b@d'
docker kill -s USR1 site
docker kill -s NOSUCH site
docker kill site
docker wait site
docker kill site
docker stop site
docker stop nosuch
docker restart -t 0 site
docker rm site
docker rm -f site
docker rm site
docker rm -f site
docker start -a other
docker start nosuch
docker start other nosuch
docker create --name trap busybox sh -c 'trap "echo got term; exit 5" TERM; echo up; while :; do sleep 0.05; done'
@docker start trap; until_true 'docker logs trap | grep -q up'
docker stop -t 5 trap
docker inspect -f '{{.State.ExitCode}} {{.State.Status}}' trap
docker logs trap
docker start -ai nosuch
@docker create --name echoer -i busybox cat
echo text | docker start -ai echoer
docker run -d --name upd --memory 64m busybox sleep 600
docker update --memory 128m --memory-swap 256m --cpus 0.5 --pids-limit 40 --restart on-failure:2 upd
docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{json .HostConfig.RestartPolicy}}' upd
docker exec upd sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us'
docker update --memory 1m upd
docker update --cpu-shares 700 --cpuset-cpus 0 --blkio-weight 400 --memory-reservation 32m upd
docker exec upd sh -c 'cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpuset/cpuset.cpus /sys/fs/cgroup/memory/memory.soft_limit_in_bytes'
docker update --memory 512m upd
docker update --cpu-period 50000 upd
docker update --restart nosuch upd
docker update nosuch --memory 7m
docker update --restart always trap; docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' trap
docker update --restart no trap
docker container prune -f | sed 's/[0-9.]*k\?B$/<size>/'
docker rm -f upd
docker container prune -f --filter label=none
docker run --name s9 busybox sh -c 'kill -15 $$'; docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' s9
docker run -d --name w1 busybox sh -c 'sleep 0.3; exit 7'; docker wait w1
docker wait nosuch
docker rm -v s9 w1
@docker rm -f $(docker ps -aq)
