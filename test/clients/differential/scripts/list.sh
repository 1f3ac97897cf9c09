# ps: filters and formats
@docker load -q -i "$IMAGE"
@docker network create lnet; docker volume create lvol
@docker run -d --name one --label k=v --label tier=a -p 127.0.0.1:40041:80 -p 40042-40044:90-92 busybox sleep 600
@docker run --name two --label k=w busybox sh -c 'exit 3'
@docker create --name three --network lnet -v lvol:/data -v /home:/host busybox true
@docker run -d --name four --network lnet --health-cmd 'exit 0' --health-interval 100ms busybox sleep 600; docker pause four
docker ps --no-trunc --format '{{.Names}}\t{{.Image}}\t{{.Command}}\t{{.Status}}\t{{.Ports}}'
docker ps -a --format 'table {{.Names}}\t{{.State}}\t{{.Status}}\t{{.Networks}}\t{{.Mounts}}\t{{.LocalVolumes}}'
docker ps -a --format '{{.Names}} {{.Labels}}'
docker ps -aq | wc -l
docker ps -a -n 2 --format '{{.Names}}'
docker ps -l --format '{{.Names}}'
docker ps -a -f status=exited --format '{{.Names}}'
docker ps -f status=paused --format '{{.Names}}'
docker ps -a -f status=created -f status=running --format '{{.Names}}'
docker ps -a -f status=nosuch
docker ps -a -f exited=3 --format '{{.Names}}'
docker ps -a -f exited=0 --format '{{.Names}}'
docker ps -a -f exited=x
docker ps -a -f label=k --format '{{.Names}}'
docker ps -a -f label=k=w --format '{{.Names}}'
docker ps -a -f label=k -f label=tier=a --format '{{.Names}}'
docker ps -a -f name=o --format '{{.Names}}'
docker ps -a -f name=^one$ --format '{{.Names}}'
docker ps -a -f name=/two --format '{{.Names}}'
docker ps -a -f id=$(docker inspect -f '{{.Id}}' two) --format '{{.Names}}'
docker ps -a -f network=lnet --format '{{.Names}}'
docker ps -a -f network=nosuch --format '{{.Names}}'
docker ps -a -f volume=lvol --format '{{.Names}}'
docker ps -a -f volume=/host --format '{{.Names}}'
docker ps -a -f ancestor=busybox --format '{{.Names}}'
docker ps -a -f ancestor=nosuch --format '{{.Names}}'
docker ps -a -f before=two --format '{{.Names}}'
docker ps -a -f since=two --format '{{.Names}}'
docker ps -a -f since=nosuch
docker ps -a -f publish=80 --format '{{.Names}}'
docker ps -a -f publish=40041 --format '{{.Names}}'
docker ps -a -f expose=91/tcp --format '{{.Names}}'
docker ps -a -f publish=80-91/tcp --format '{{.Names}}'
docker ps -a -f publish=x
docker ps -a -f health=none --format '{{.Names}}'
docker ps -a -f health=nosuch
docker ps -a -f is-task=false --format '{{.Names}}'
docker ps -a -f nosuch=1
docker ps -f status=running -s --format '{{.Names}} {{.Size}}' | sed 's/(.*)/<virtual>/'
api GET '/containers/json?all=1&filters={"name":["one"]}' | head -n 1
api GET '/containers/json?all=1&filters={"name":{"two":true}}' | tail -1
api GET '/containers/json?limit=x'
api GET '/containers/json?filters=nonsense'
@docker rm -f $(docker ps -aq); docker network rm lnet; docker volume rm lvol
