# system df, info, version, ping, contexts, and what is not there
@docker load -q -i "$IMAGE"
@docker run --name sd -v sdv:/v busybox sh -c 'head -c 1000 /dev/zero > /v/f; head -c 2000 /dev/zero > /x'
docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
docker system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}};{{end}}'
docker system df -v --format '{{range .Containers}}{{.Names}} {{.Size}} {{.LocalVolumes}};{{end}}'
docker info --format '{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.Images}} {{.Driver}} {{.LoggingDriver}} {{.CgroupDriver}} {{.CgroupVersion}}'
docker info --format '{{.MemoryLimit}} {{.SwapLimit}} {{.CPUCfsPeriod}} {{.CPUCfsQuota}} {{.CPUShares}} {{.CPUSet}} {{.PidsLimit}} {{.IPv4Forwarding}} {{.OomKillDisable}} {{.OSType}} {{.Architecture}} {{.NCPU}} {{.ExperimentalBuild}} {{.LiveRestoreEnabled}}'
docker info --format '{{json .Plugins}}'
docker info --format '{{json .Warnings}}'
docker info --format '{{json .SecurityOptions}}'
docker info --format '{{json .Swarm.LocalNodeState}} {{json .Isolation}} {{json .DefaultRuntime}} {{json .InitBinary}} {{json .CDISpecDirs}} {{json .Debug}} {{json .HttpProxy}} {{json .Labels}} {{json .RegistryConfig.InsecureRegistryCIDRs}}'
docker version --format '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}} {{.Server.Arch}} {{.Server.Experimental}}'
api GET /_ping
curl -s -D - -o /dev/null --unix-socket "$SOCKET" http://d/_ping | tr -d '\r' | tr 'A-Z' 'a-z' | grep -E '^(api-version|docker-experimental|ostype|cache-control|pragma|content-type|swarm|http)' | sort
curl -s -I --unix-socket "$SOCKET" http://d/_ping | tr -d '\r' | head -1
curl -s --unix-socket "$SOCKET" http://d/v1.99/info
curl -s --unix-socket "$SOCKET" http://d/v1.50/nosuch
curl -s -X PUT --unix-socket "$SOCKET" http://d/v1.50/containers/json
api GET /containers/nosuch/json
api POST /containers/create 'nonsense'
api POST /containers/create '{}'
api POST /containers/create '{"Image":""}'
api POST /containers/create '{"Image":"nosuch"}'
api POST '/containers/create?name=b@d' '{"Image":"busybox"}'
api POST /containers/create '{"Image":"busybox","HostConfig":{"NetworkMode":"nosuchnet"}}' | sed 's/"Id":"[0-9a-f]*"/"Id":"<id>"/'
api POST /containers/create '{"Image":"busybox","Memory":"x"}'
api POST /containers/create '{"Image":"busybox"} trailing'
api GET /networks/nosuch
api POST /networks/create '{}'
api GET /plugins
api GET '/plugins?filters={"capability":["volumedriver"]}'
api GET /swarm
api GET /nodes
api GET /services
api GET /secrets
api POST '/containers/sd/wait?condition=nosuch'
api GET '/containers/sd/stats?stream=0' | head -c 1
api GET '/containers/sd/archive'
api GET '/containers/sd/archive?path=/nosuch'
api POST '/containers/sd/rename'
api POST '/containers/sd/rename?name='
api GET '/containers/sd/top'
api POST '/containers/sd/kill?signal=9'
api GET '/events?since=x'
api GET '/system/df?type=nosuch'
api DELETE '/containers/sd?link=1'
docker system prune -f --filter label=nosuch
docker system prune -f | grep -v '^$' | sed 's/reclaimed space: .*/<space>/'
docker stats --no-stream nosuch
docker node ls
docker service ls
docker plugin ls
docker checkpoint ls nosuch
@docker rm -f $(docker ps -aq); docker volume rm sdv; true
