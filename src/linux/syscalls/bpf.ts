import { addressOf, native } from "./native.ts";

const NR_bpf = process.arch === "arm64" ? 280 : 321;
const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
/** The kernel's own limit of programs on one cgroup (BPF_CGROUP_MAX_PROGS). */
const MOST_PROGRAMS = 64;
/** Enough of union bpf_attr for these commands; the kernel takes what is missing as zeros. */
const ATTRIBUTE_BYTES = 72;

const nativeBpf = native<[number, number, Buffer, number]>(
  "bpf",
  "long syscall(long number, int command, uint8_t *attributes, uint size)",
);

function bpf(command: number, fill: (attributes: Buffer) => void): { result: number; attributes: Buffer } {
  const attributes = Buffer.alloc(ATTRIBUTE_BYTES);
  fill(attributes);
  return { result: nativeBpf(NR_bpf, command, attributes, attributes.length), attributes };
}

/** Loads a device program (struct bpf_insn array); returns its descriptor. bpf(2). */
export function loadDeviceProgram(instructions: Buffer): number {
  const license = Buffer.from("Apache\0");
  return bpf(BPF_PROG_LOAD, (attributes) => {
    attributes.writeUInt32LE(BPF_PROG_TYPE_CGROUP_DEVICE, 0);
    attributes.writeUInt32LE(instructions.length / 8, 4);
    attributes.writeBigUInt64LE(addressOf(instructions), 8);
    attributes.writeBigUInt64LE(addressOf(license), 16);
  }).result;
}

/** Attaches a device program to a cgroup directory's descriptor, beside those that are there. */
export function attachDeviceProgram(cgroup: number, program: number): void {
  bpf(BPF_PROG_ATTACH, (attributes) => writeAttachment(attributes, cgroup, program, BPF_F_ALLOW_MULTI));
}

export function detachDeviceProgram(cgroup: number, program: number): void {
  bpf(BPF_PROG_DETACH, (attributes) => writeAttachment(attributes, cgroup, program, 0));
}

/** The ids of the device programs attached to this cgroup itself. */
export function deviceProgramIds(cgroup: number): readonly number[] {
  const ids = Buffer.alloc(MOST_PROGRAMS * 4);
  const { attributes } = bpf(BPF_PROG_QUERY, (query) => {
    query.writeUInt32LE(cgroup, 0);
    query.writeUInt32LE(BPF_CGROUP_DEVICE, 4);
    query.writeBigUInt64LE(addressOf(ids), 16);
    query.writeUInt32LE(MOST_PROGRAMS, 24);
  });
  return Array.from({ length: attributes.readUInt32LE(24) }, (_, index) => ids.readUInt32LE(index * 4));
}

/** A descriptor of a loaded program. */
export function openProgram(id: number): number {
  return bpf(BPF_PROG_GET_FD_BY_ID, (attributes) => attributes.writeUInt32LE(id, 0)).result;
}

function writeAttachment(attributes: Buffer, cgroup: number, program: number, flags: number): void {
  attributes.writeUInt32LE(cgroup, 0);
  attributes.writeUInt32LE(program, 4);
  attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 8);
  attributes.writeUInt32LE(flags, 12);
}
