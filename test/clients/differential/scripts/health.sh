# health checks, restart policies
@docker load -q -i "$IMAGE"
@docker run -d --name hh --health-cmd 'test -e /ok' --health-interval 150ms --health-retries 2 --health-start-period 100ms busybox sleep 600
@docker run -d --name hs --health-cmd true --health-interval 30s busybox sleep 600
docker inspect -f '{{.State.Health.Status}}' hs
@until_true '[ $(docker inspect -f "{{.State.Health.Status}}" hh) = unhealthy ]'
docker ps -a -f health=unhealthy --format '{{.Names}}'
docker inspect -f '{{(index .State.Health.Log 0).ExitCode}} [{{(index .State.Health.Log 0).Output}}] {{ge .State.Health.FailingStreak 2}}' hh
@docker exec hh touch /ok; until_true '[ $(docker inspect -f "{{.State.Health.Status}}" hh) = healthy ]'
docker inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' hh
docker ps --format '{{.Status}}' -f name=hh
docker stop -t 0 hh; docker inspect -f '{{.State.Health.Status}}' hh
docker run --rm --no-healthcheck --health-cmd x busybox true
docker create --name nh --no-healthcheck busybox; docker inspect -f '{{json .Config.Healthcheck}}' nh
docker run --health-interval 1us busybox true
docker run --health-retries -1 busybox true
@docker run -d --name bad --health-cmd 'echo broken; exit 1' --health-interval 100ms --health-timeout 2s --health-retries 1 busybox sleep 600; until_true '[ $(docker inspect -f "{{.State.Health.Status}}" bad) = unhealthy ]'
docker inspect -f '{{(index .State.Health.Log 0).Output}}' bad
@docker run -d --name rf --restart on-failure:2 busybox sh -c 'exit 1'; until_true '[ $(docker inspect -f "{{.State.Status}}" rf) = exited ]'
docker inspect -f '{{.RestartCount}} {{.State.ExitCode}} {{.State.Restarting}}' rf
@docker run -d --name ra --restart always busybox sh -c 'sleep 0.1'; until_true '[ $(docker inspect -f "{{.RestartCount}}" ra) -ge 2 ]'
docker stop -t 0 ra; docker inspect -f '{{.State.Status}} {{.State.Restarting}}' ra
docker run -d --name rz --restart on-failure busybox true; docker wait rz; docker inspect -f '{{.RestartCount}} {{.State.Status}}' rz
docker create --restart always:3 busybox
docker create --restart nosuch busybox
docker create --restart on-failure:-1 busybox
docker create --restart unless-stopped:0 busybox | wc -c
docker create --restart on-failure:x busybox
api POST /containers/create '{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":2}}}'
api POST /containers/create '{"Image":"busybox","Healthcheck":{"Test":["NOSUCH"]}}' | sed 's/"Id":"[0-9a-f]*"/"Id":"<id>"/'
api POST /containers/create '{"Image":"busybox","Healthcheck":{"Test":["CMD","x"],"Interval":5}}'
@docker rm -f $(docker ps -aq)
