# volumes and mounts
@docker load -q -i "$IMAGE"; mkdir b
docker volume create v1
docker volume create v1
docker volume create --label a=b --label c v2
docker volume create -d nosuch v3
docker volume create -o nosuch=1 v3
docker volume create 'b@d'
docker volume create y
docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000 vt
docker volume create -o device=/home v3
docker volume create -o type=none -o o=bind v3
docker volume create -o type=none -o o=bind -o device=/nosuch/dir vb; docker run --rm -v vb:/v busybox true
docker volume create -o type=nfs -o o=addr=127.0.0.1,rw -o device=:/export vn; docker volume inspect vn
docker volume inspect v1 v2
docker volume inspect v1 nosuch
docker volume inspect vt
docker run --rm -v vt:/t busybox grep ' /t ' /proc/mounts
docker volume ls --format '{{.Driver}} {{.Name}} {{.Scope}} {{.Mountpoint}}'
docker volume ls -q -f name=v1
docker volume ls -q -f label=a
docker volume ls -q -f label=a=z
docker volume ls -q -f driver=local -f dangling=true
docker volume ls -f nosuch=1
docker volume ls -f dangling=maybe
docker run --name u1 -v v1:/data busybox sh -c 'echo kept > /data/f'
docker volume rm v1
docker volume rm -f v1
docker volume rm nosuch
docker volume rm -f nosuch
docker run --rm --volumes-from u1 busybox cat /data/f
docker run --rm --volumes-from u1:ro busybox sh -c 'echo x > /data/g'
docker run --rm --volumes-from nosuch busybox true
docker run --rm --volumes-from u1:bad busybox true
docker run --rm -v v1:/etc busybox sh -c 'test -e /etc/passwd || echo not copied'
docker run --rm -v fresh:/etc busybox sh -c 'test -e /etc/passwd && echo copied'
docker run --rm -v fresh2:/etc:nocopy busybox ls /etc | head -3
docker run --rm -v $DIR/made:/x busybox sh -c 'ls -d /x'; rmdir made
docker run --rm --mount type=bind,src=/nosuch/here,dst=/x busybox true
docker run --rm --mount type=bind,src=$DIR/b,dst=relative busybox true
docker run --rm -v relative/path:/x busybox true
docker run --rm -v $DIR/b:/x:bad busybox true
docker run --rm -v $DIR/b:/x:ro,rw busybox true
docker run --rm -v $DIR/b:/x -v $DIR:/x busybox true
docker run --rm -v v1:/ busybox true
docker run --rm -v $DIR/b:/x:ro busybox touch /x/y
docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 busybox grep ' /t ' /proc/mounts
docker run --rm --mount type=tmpfs,src=x,dst=/t busybox true
docker run --rm --mount type=nosuch,dst=/t busybox true
docker run --rm --mount type=volume,src=v1,dst=/d,volume-subpath=sub busybox true
docker run --rm -v v1:/d busybox mkdir -p /d/sub; docker run --rm --mount type=volume,src=v1,dst=/d,volume-subpath=sub busybox ls -d /d
docker run --rm --mount type=volume,src=v1,dst=/d,volume-subpath=../x busybox true
docker run --rm --mount type=volume,dst=/d,readonly busybox touch /d/x
docker run --rm --mount type=bind,src=$DIR/b,dst=/x,bind-propagation=nosuch busybox true
docker run --rm --mount type=bind,src=$DIR/b,dst=/x,readonly,bind-recursive=disabled busybox true
docker run --rm --mount type=bind,src=$DIR/b,dst=/x,readonly,bind-recursive=writable busybox true
docker run --rm --mount type=bind,src=$DIR/b,dst=/x,readonly,bind-recursive=readonly,bind-propagation=rprivate busybox touch /x/q
docker run --rm --mount type=bind,src=$DIR/b,dst=/x,bind-recursive=readonly busybox true
docker run --rm --mount type=image,src=busybox,dst=/img busybox ls -d /img/bin/sh
docker run --rm --mount type=image,src=busybox,dst=/img,image-subpath=bin busybox ls /img/sh
docker run --rm --mount type=image,src=nosuchimage:1,dst=/img --pull never busybox true
docker run --rm --mount type=image,src=busybox,dst=/img busybox touch /img/x
docker run --rm --pull never --volume-driver nosuch -v vx:/x busybox true
docker create --name vs -v v1:/d:ro -v $DIR/b:/b --mount type=volume,dst=/anon --mount type=image,src=busybox,dst=/im --tmpfs /tt busybox; docker inspect -f '{{json .Mounts}}' vs
docker inspect -f '{{json .HostConfig.Mounts}}' vs
docker ps -a -f name=vs --format '{{.Mounts}}' | sed 's/[0-9a-f]\{12,\}[^,]*/<anon>/' | tr ',' '\n' | sort
docker rm -v vs u1
docker volume prune -f
docker volume prune -af --filter label=nosuch
docker volume prune -af --filter label!=a | sort
docker volume prune -f --filter all=1 | sort
docker volume prune -f --filter nosuch=1
api POST /volumes/create '{"Name":"v","Driver":"local","DriverOpts":{"type":"x"}}'
api GET /volumes/nosuch
api DELETE '/volumes/v?force=x'
api POST /volumes/prune
@docker rm -f $(docker ps -aq); docker volume rm -f $(docker volume ls -q); true
