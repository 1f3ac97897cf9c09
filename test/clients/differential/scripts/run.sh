# docker run: streams, exit codes, configuration of the process
@docker load -q -i "$IMAGE"
docker run --rm busybox echo hello
docker run --rm busybox sh -c 'echo out; echo err >&2; exit 3'
echo typed | docker run --rm -i busybox cat
docker run --rm busybox /no/such/program
docker run --rm busybox no-such-program
docker run --rm busybox /etc
docker run --rm busybox sh -c 'kill -9 $$'
docker run --rm busybox sh -c 'exit 127'
docker run --rm -w /new/dir busybox pwd
docker run --rm -e A=1 -e B=two -e HOME=/h busybox sh -c 'env | sort | grep -v HOSTNAME'
A=fromclient docker run --rm -e A -e UNSET busybox sh -c 'env | sort | grep -v HOSTNAME'
printf 'X=1\n# comment\nY=two words\n' > e; docker run --rm --env-file e busybox sh -c 'env | sort | grep -v HOSTNAME'
docker run --rm -h box --domainname example.org busybox sh -c 'hostname; cat /etc/hostname; tail -1 /etc/hosts | cut -f2-'
docker run --rm -u 1000:1001 busybox id
docker run --rm -u nosuchuser busybox id
docker run --rm -u 0:nosuchgroup busybox id
docker run --rm -u 3 --group-add 44 --group-add 55 busybox id
docker run --rm --entrypoint /bin/echo busybox from entrypoint
docker run --rm --entrypoint "" busybox echo cleared
docker run --rm -t busybox sh -c 'tty; echo $TERM'
docker run --rm --read-only busybox touch /x
docker run --rm --read-only --tmpfs /t:size=1m,mode=700 busybox sh -c 'touch /t/x && grep " /t " /proc/mounts'
docker run --rm --shm-size 8m busybox grep ' /dev/shm ' /proc/mounts
docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -Sn; ulimit -Hn'
docker run --rm --sysctl net.ipv4.ip_forward=0 busybox cat /proc/sys/net/ipv4/ip_forward
docker run --rm --sysctl kernel.pid_max=5 busybox true
docker run --rm --network host --sysctl net.ipv4.ip_forward=0 busybox true
docker run --rm --cap-drop ALL --cap-add CHOWN busybox grep Cap /proc/self/status
docker run --rm busybox grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status
docker run --rm --privileged busybox grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
docker run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
docker run --rm --add-host db:10.9.8.7 --add-host six:fd00::1 busybox sh -c 'grep -E "db|six" /etc/hosts'
docker run --rm --dns 10.1.1.1 --dns-search example.com --dns-option ndots:3 busybox sh -c 'grep -v "^#" /etc/resolv.conf'
docker run --rm --device /dev/null:/dev/mynull:r busybox sh -c 'ls -l /dev/mynull | cut -c1'
docker run --rm --oom-score-adj 77 busybox cat /proc/self/oom_score_adj
docker run --rm --network none busybox sh -c 'ls /sys/class/net | grep -v tunl | grep -v sit'
docker run --rm --cidfile cid busybox true; wc -c < cid; docker run --cidfile cid busybox true
printf 'a=1\nb=two\n' > l; docker create --name labelled --label-file l --label c=3 busybox; docker inspect -f '{{json .Config.Labels}}' labelled; docker rm labelled
docker run -d --name detached --stop-signal USR1 --stop-timeout 3 busybox sleep 600; docker inspect -f '{{.Config.StopSignal}} {{.Config.StopTimeout}}' detached
docker run --name detached busybox true
docker run -d --rm --restart always busybox true
docker run --rm -d -a stdout busybox true
docker run --rm --pull never nosuchimage true
docker run --rm -v /tmp busybox sh -c 'grep -c " /tmp " /proc/mounts'
docker run --rm --name gone busybox true; docker inspect gone
docker run --rm --memory 6m --memory-swap 5m busybox true
docker run --rm --memory 1m busybox true
docker run --rm --cpus 999 busybox true
docker run --rm --cpuset-cpus 900 busybox true
docker run --rm --pids-limit 2 busybox sh -c 'true & true & true & wait' 2>&1 | head -1
docker run --rm --blkio-weight 5 busybox true
docker run --rm --userns host busybox cat /proc/self/uid_map
docker run --rm --uts host busybox sh -c 'test -n "$(hostname)" && echo named'
docker run --rm --gpus all busybox true
docker run --rm --runtime nosuch busybox true
docker run --rm --storage-opt size=1g busybox true
docker run --rm --isolation hyperv busybox true
docker run --rm --annotation a=b busybox true
docker run --rm --init busybox sh -c 'test $$ != 1 && echo not the first'
@docker rm -f $(docker ps -aq)
