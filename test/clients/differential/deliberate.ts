/** Where Gantry differs from dockerd on purpose; each row stands in docs/docker-differences.md with its reason. */
export interface Deliberate {
  readonly pattern: RegExp;
  /** What both daemons' words become. */
  readonly both: string;
}

export const deliberate: readonly Deliberate[] = [
  // Layers lie in Gantry's own store.
  { pattern: /"(LowerDir|MergedDir|UpperDir|WorkDir)": ".*"/g, both: '"$1": <layers>' },
  { pattern: /"Source": "<root>\/.*\/(?:merged|image-\d+)"/g, both: '"Source": <image>' },
  // The runtime, and the first process of --init.
  { pattern: /"Runtime": "(?:runc|gantry)"/g, both: '"Runtime": <runtime>' },
  {
    pattern: /"(?:runc|gantry)" "(?:docker-init|gantry-shim)" (?:\["\/etc\/cdi","\/var\/run\/cdi"\]|\[\])/g,
    both: "<runtime>",
  },
  // A cgroup namespace of its own on cgroup v1 too.
  { pattern: /"CgroupnsMode": "(?:host|private)"/g, both: '"CgroupnsMode": <default>' },
  { pattern: /,?\n\s+"name=cgroupns"/g, both: "" },
  { pattern: /\[\n\s+"name=seccomp,profile=builtin"(?:,\n\s+"name=cgroupns")?\n\s+\]/g, both: "<security options>" },
  // Links of its own beside a dockerd's.
  {
    pattern: /"com.docker.network.bridge.name": "(?:docker0|g0-\w+|gantry0)"/g,
    both: '"com.docker.network.bridge.name": <bridge>',
  },
  // Containers always outlive the daemon.
  { pattern: / false (?:true|false)$/gm, both: " false <live restore>" },
  // Drivers that are there.
  { pattern: /"(Log|Network)": \[[^\]]*\]/g, both: '"$1": <drivers>' },
  // What the kernel cannot limit is told on cgroup v1 too.
  {
    pattern:
      /^ {2}null$|^ {2}\[\n(?: {4}"WARNING: No blkio .*\n)+ {2}\]$|^null$|^\[\n(?: {2}"WARNING: No blkio .*\n)+\]$/gm,
    both: "<warnings>",
  },
  // The parser's own words.
  { pattern: /invalid JSON: [^\n]*"/g, both: 'invalid JSON: <reason>"' },
  // Refused when it is asked for, not when it is started.
  {
    pattern:
      /failed to create task for container: (?:failed to initialize logging driver: |failed to create shim task: OCI runtime create failed: runc create failed: (?=sysctl))/g,
    both: "",
  },
  // Endpoint settings that are empty are not there.
  { pattern: / \{\} \[\] \[/g, both: " null null [" },
];
