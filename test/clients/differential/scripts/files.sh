# cp, diff, export, commit
@docker load -q -i "$IMAGE"
@mkdir -p src/sub; echo one > src/one; echo two > src/sub/two; ln -s one src/link; chmod 640 src/one
@docker run --name ff busybox sh -c 'mkdir /made; echo a > /made/a; rm /bin/adduser; echo x >> /etc/passwd; ln -s a /made/l; mkdir /empty; chmod 700 /empty'
docker diff ff
docker cp src ff:/dest
docker cp src ff:/dest
docker cp src/. ff:/flat
docker cp src/one ff:/made/renamed
docker cp src/one ff:/nosuchdir/
docker cp src/one ff:/nosuch/deep/file
docker cp src ff:/made/a
docker cp nosuch ff:/x
docker cp ff:/nosuch .
docker cp nosuch:/x .
docker cp ff:/dest out; find out | sort
docker cp ff:/made/l linkcopy; readlink linkcopy
docker cp -L ff:/made/l followed; cat followed
docker cp ff:/made - | tar t | sort
tar c -C src one | docker cp - ff:/empty; docker cp ff:/empty/one - | tar xO
docker cp -a src/one ff:/archived; docker cp ff:/archived - | tar tv | cut -d' ' -f1,2
docker cp src/one ff:relative
docker cp -q src/one ff:/quiet
docker cp ff:/made/a ff:/b
docker cp src src
docker export ff | tar t | grep -E '^(made|dest|empty|flat)' | sort
docker export -o e.tar ff; tar tf e.tar | grep -c made
docker export nosuch
docker commit -a me -m msg -c 'CMD ["echo","committed"]' -c 'ENV Z=1' -c 'LABEL q=r' ff made:v1
docker inspect -f '{{json .Config}} {{.Author}} {{.Comment}}' made:v1
docker run --rm made:v1
docker history --format '{{.CreatedBy}}|{{.Comment}}' made:v1 | head -1
docker commit -c 'NOSUCH x' ff
docker commit -c 'RUN x' ff
docker commit nosuch
docker commit ff 'BAD NAME'
docker commit -p=false ff made:v2
docker diff nosuch
@docker run -d --name live busybox sleep 600
docker cp src/one live:/tmp/; docker exec live cat /tmp/one
docker exec live sh -c 'echo inside > /tmp/in'; docker cp live:/tmp/in - | tar xO
docker diff live
@docker rm -f $(docker ps -aq); docker rmi made:v1 made:v2; docker image prune -f
