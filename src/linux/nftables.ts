/**
 * nf_tables over netlink: a list of changes is one atomic transaction, and there is no `nft` process. Refusals are
 * SyscallErrors with the kernel's own words; a refused transaction changed nothing.
 */
import { AF_INET, AF_INET6 } from "./sockets.ts";
import { isSyscallError } from "./syscalls.ts";
import {
  align,
  attribute,
  attributeMap,
  be32,
  be64,
  decodeAttributes,
  decodeText,
  nested,
  text,
  type Attribute,
} from "./netlink/attributes.ts";
import { NLM_F_APPEND, NLM_F_CREATE, type Message, type Request } from "./netlink/message.ts";
import * as c from "./netlink/nft-constants.ts";
import {
  encodeValues,
  typeBytes,
  typeNumber,
  valueData,
  verdictData,
  writeValues,
  type DataType,
  type Value,
  type Verdict,
} from "./netlink/nft-types.ts";
import { listenNetlink } from "./netlink/events.ts";
import { NETLINK_NETFILTER, openNetlink } from "./netlink/socket.ts";
import type { Statement } from "./nft-rules.ts";

export type Family = "ip" | "ip6" | "inet" | "bridge" | "netdev";

export interface Table {
  readonly family: Family;
  readonly name: string;
}

export interface Hook {
  readonly type: "filter" | "nat" | "route";
  readonly at: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
  readonly policy?: "accept" | "drop";
}

/** nft's names for places in the order of a hook's chains. */
export const PRIORITY = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 } as const;

export interface SetDefinition {
  readonly key: readonly DataType[];
  /** Makes it a map to values of these types, or to verdicts. */
  readonly data?: readonly DataType[] | "verdict";
  /** Keys are prefixes. */
  readonly interval?: boolean;
  /** Elements come from packets and go after this time. */
  readonly timeoutMs?: number;
}

export interface Element {
  readonly key: readonly Value[];
  readonly data?: readonly Value[] | Verdict;
}

/** One change in a transaction; made by the functions of `change`. */
export type Change = Request;

const FAMILIES: Readonly<Record<Family, number>> = { inet: 1, ip: AF_INET, netdev: 5, bridge: 7, ip6: AF_INET6 };
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const POLICIES = { drop: 0, accept: 1 } as const;

function request(
  message: number,
  table: { readonly family: Family },
  attributes: readonly Attribute[],
  flags: number,
  what: string,
): Request {
  return {
    type: (c.NFNL_SUBSYS_NFTABLES << 8) | message,
    flags,
    body: Buffer.concat([generic(FAMILIES[table.family]), ...attributes]),
    what,
  };
}

/** struct nfgenmsg. */
function generic(family: number, resource = 0): Buffer {
  return Buffer.of(family, 0, resource >> 8, resource & 0xff);
}

/** The changes a transaction is made of. */
export const change = {
  /** Adding a table, chain or set that is there already is no error. */
  addTable: (table: Table): Change =>
    request(c.NFT_MSG_NEWTABLE, table, [text(c.NFTA_TABLE_NAME, table.name)], NLM_F_CREATE, `add table ${table.name}`),
  deleteTable: (table: Table): Change =>
    request(c.NFT_MSG_DELTABLE, table, [text(c.NFTA_TABLE_NAME, table.name)], 0, `delete table ${table.name}`),
  addChain(table: Table, name: string, hook?: Hook): Change {
    const attributes = [text(c.NFTA_CHAIN_TABLE, table.name), text(c.NFTA_CHAIN_NAME, name)];
    if (hook) attributes.push(...hookAttributes(hook));
    return request(c.NFT_MSG_NEWCHAIN, table, attributes, NLM_F_CREATE, `add chain ${table.name} ${name}`);
  },
  /** Removes its rules. */
  flushChain: (table: Table, name: string): Change =>
    request(
      c.NFT_MSG_DELRULE,
      table,
      [text(c.NFTA_RULE_TABLE, table.name), text(c.NFTA_RULE_CHAIN, name)],
      0,
      `flush chain ${table.name} ${name}`,
    ),
  /** Refused (EBUSY) while a rule or element leads to it. */
  deleteChain: (table: Table, name: string): Change =>
    request(
      c.NFT_MSG_DELCHAIN,
      table,
      [text(c.NFTA_CHAIN_TABLE, table.name), text(c.NFTA_CHAIN_NAME, name)],
      0,
      `delete chain ${table.name} ${name}`,
    ),
  /** At the end of the chain. */
  addRule(table: Table, chain: string, statements: readonly Statement[]): Change {
    const attributes = [
      text(c.NFTA_RULE_TABLE, table.name),
      text(c.NFTA_RULE_CHAIN, chain),
      nested(c.NFTA_RULE_EXPRESSIONS, statements.flat()),
    ];
    return request(
      c.NFT_MSG_NEWRULE,
      table,
      attributes,
      NLM_F_CREATE | NLM_F_APPEND,
      `add rule ${table.name} ${chain}`,
    );
  },
  addSet: (table: Table, name: string, definition: SetDefinition): Change =>
    request(
      c.NFT_MSG_NEWSET,
      table,
      setAttributes(table, name, definition),
      NLM_F_CREATE,
      `add set ${table.name} ${name}`,
    ),
  deleteSet: (table: Table, name: string): Change =>
    request(
      c.NFT_MSG_DELSET,
      table,
      [text(c.NFTA_SET_TABLE, table.name), text(c.NFTA_SET_NAME, name)],
      0,
      `delete set ${table.name} ${name}`,
    ),
  /** Adding what is there is no error, unless a map holds another value for the key (EEXIST). */
  addElements: (table: Table, set: string, definition: SetDefinition, elements: readonly Element[]): Change[] =>
    elementChanges(c.NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, definition, elements),
  /** Refused (ENOENT) when one is not there. */
  deleteElements: (table: Table, set: string, definition: SetDefinition, elements: readonly Element[]): Change[] =>
    elementChanges(c.NFT_MSG_DELSETELEM, 0, table, set, definition, elements),
  flushSet: (table: Table, set: string): Change =>
    request(
      c.NFT_MSG_DELSETELEM,
      table,
      [text(c.NFTA_SET_ELEM_LIST_TABLE, table.name), text(c.NFTA_SET_ELEM_LIST_SET, set)],
      0,
      `flush set ${table.name} ${set}`,
    ),
};

function hookAttributes(hook: Hook): Attribute[] {
  return [
    nested(c.NFTA_CHAIN_HOOK, [be32(c.NFTA_HOOK_HOOKNUM, HOOKS[hook.at]), be32(c.NFTA_HOOK_PRIORITY, hook.priority)]),
    be32(c.NFTA_CHAIN_POLICY, POLICIES[hook.policy ?? "accept"]),
    text(c.NFTA_CHAIN_TYPE, hook.type),
  ];
}

/** Within a transaction a set has a number too; nobody refers to it here, so that any will do. */
const SET_ID = 1;

function setAttributes(table: Table, name: string, { key, data, interval, timeoutMs }: SetDefinition): Attribute[] {
  let flags = 0;
  if (interval) flags |= c.NFT_SET_INTERVAL;
  if (data) flags |= c.NFT_SET_MAP;
  if (timeoutMs !== undefined) flags |= c.NFT_SET_TIMEOUT | c.NFT_SET_EVAL;
  const attributes = [
    text(c.NFTA_SET_TABLE, table.name),
    text(c.NFTA_SET_NAME, name),
    be32(c.NFTA_SET_FLAGS, flags),
    be32(c.NFTA_SET_KEY_TYPE, typeNumber(key)),
    be32(c.NFTA_SET_KEY_LEN, typeBytes(key)),
    be32(c.NFTA_SET_ID, SET_ID),
    attribute(c.NFTA_SET_USERDATA, byteOrderNote(key)),
  ];
  if (data === "verdict") attributes.push(be32(c.NFTA_SET_DATA_TYPE, c.NFT_DATA_VERDICT));
  else if (data)
    attributes.push(be32(c.NFTA_SET_DATA_TYPE, typeNumber(data)), be32(c.NFTA_SET_DATA_LEN, typeBytes(data)));
  if (timeoutMs !== undefined) attributes.push(be64(c.NFTA_SET_TIMEOUT, BigInt(timeoutMs)));
  return attributes;
}

/** For `nft list` only: user data 0 (key byte order) of four bytes, host order 1 or network order 2 (libnftnl). */
function byteOrderNote(key: readonly DataType[]): Buffer {
  const hostOrder = key.length === 1 && (key[0] === "mark" || key[0] === "ifname");
  return Buffer.of(0, 4, hostOrder ? 1 : 2, 0, 0, 0);
}

/** So many elements fit into one message: an attribute holds at most 64 KiB. */
const ELEMENTS_PER_MESSAGE = 256;

function elementChanges(
  message: number,
  flags: number,
  table: Table,
  set: string,
  definition: SetDefinition,
  elements: readonly Element[],
): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE) {
    const part = elements.slice(at, at + ELEMENTS_PER_MESSAGE);
    const encoded = hasPlainElements(definition)
      ? [plainElements(definition, part)]
      : part.flatMap((element) => encodeElement(definition, element));
    const attributes = [
      text(c.NFTA_SET_ELEM_LIST_TABLE, table.name),
      text(c.NFTA_SET_ELEM_LIST_SET, set),
      nested(c.NFTA_SET_ELEM_LIST_ELEMENTS, encoded),
    ];
    changes.push(
      request(message, table, attributes, flags, `${flags ? "add" : "delete"} elements of ${table.name} ${set}`),
    );
  }
  return changes;
}

/** Every element then has the same bytes but for its key and value. */
function hasPlainElements({ interval, data }: SetDefinition): boolean {
  return !interval && data !== "verdict";
}

/** An element's headers: its own, the key's, and the key's value's. */
const BEFORE_KEY = 12;

/** A service's endpoint is an element, and there are tens of thousands: they are written in place, one after the other. */
function plainElements(definition: SetDefinition, elements: readonly Element[]): Buffer {
  const { key } = definition;
  const data = Array.isArray(definition.data) ? definition.data : [];
  const blank = (types: readonly DataType[]): Value[] =>
    types.map((type) => (type === "ipv4_addr" ? "0.0.0.0" : type === "ipv6_addr" ? "::" : 0));
  const template = elementOf(encodeValues(key, blank(key)), { key: [], data: blank(data) }, definition);
  const dataAt = BEFORE_KEY + align(typeBytes(key)) + 8;
  const bytes = Buffer.alloc(template.length * elements.length);
  elements.forEach((element, index) => {
    const at = index * template.length;
    template.copy(bytes, at);
    writeValues(bytes, at + BEFORE_KEY, key, element.key);
    if (data.length > 0 && Array.isArray(element.data)) writeValues(bytes, at + dataAt, data, element.data);
  });
  return bytes;
}

/** A prefix becomes two elements: its first address, and the first address after it as its end. */
function encodeElement(definition: SetDefinition, element: Element): Attribute[] {
  if (!definition.interval) return [elementOf(encodeValues(definition.key, element.key), element, definition)];
  const [address = "", length] = String(element.key[0]).split("/");
  const start = encodeValues(definition.key, [address]);
  const elements = [elementOf(start, element, definition)];
  const end = afterPrefix(start, length === undefined ? start.length * 8 : Number(length));
  if (end)
    elements.push(
      nested(c.NFTA_LIST_ELEM, [
        valueData(c.NFTA_SET_ELEM_KEY, end),
        be32(c.NFTA_SET_ELEM_FLAGS, c.NFT_SET_ELEM_INTERVAL_END),
      ]),
    );
  return elements;
}

function elementOf(key: Buffer, { data }: Element, definition: SetDefinition): Attribute {
  const parts = [valueData(c.NFTA_SET_ELEM_KEY, key)];
  if (data && "verdict" in data) parts.push(verdictData(c.NFTA_SET_ELEM_DATA, data));
  else if (data && Array.isArray(definition.data))
    parts.push(valueData(c.NFTA_SET_ELEM_DATA, encodeValues(definition.data, data)));
  return nested(c.NFTA_LIST_ELEM, parts);
}

/** undefined after the very last address. */
function afterPrefix(start: Buffer, length: number): Buffer | undefined {
  const bits = BigInt(start.length * 8);
  const end = BigInt(`0x${start.toString("hex")}`) + (1n << (bits - BigInt(length)));
  return end >> bits ? undefined : Buffer.from(end.toString(16).padStart(start.length * 2, "0"), "hex");
}

/** One namespace's nf_tables; made by openNftables. */
export interface Nftables {
  /** All or nothing. An empty list does nothing. */
  apply(changes: readonly Change[]): void;
  /** The ruleset's generation: every transaction of anybody adds one. */
  generation(): number;
  tables(): readonly Table[];
  /** Chains of a table by name, with how many rules each has; undefined when there is no such table. */
  chains(table: Table): ReadonlyMap<string, number> | undefined;
  /** Keys and data of a set or map, as bytes; undefined when there is no such set. */
  elements(
    table: Table,
    set: string,
  ): readonly { readonly key: Buffer; readonly data: Buffer | undefined }[] | undefined;
  close(): void;
}

/** Opens the network namespace that the calling thread is in. */
export function openNftables(): Nftables {
  const socket = openNetlink(NETLINK_NETFILTER);
  const dump = (message: number, family: Family, attributes: readonly Attribute[], what: string): readonly Message[] =>
    socket.dump(request(message, { family }, attributes, 0, what));
  return {
    apply(changes) {
      if (changes.length > 0)
        socket.transaction([batch(c.NFNL_MSG_BATCH_BEGIN), ...changes, batch(c.NFNL_MSG_BATCH_END)]);
    },
    generation() {
      const [answer] = socket.request(request(c.NFT_MSG_GETGEN, { family: "ip" }, [], 0, "get generation"));
      return answer ? (attributesOf(answer).get(c.NFTA_GEN_ID)?.readUInt32BE() ?? 0) : 0;
    },
    tables: () =>
      (Object.keys(FAMILIES) as Family[]).flatMap((family) =>
        dump(c.NFT_MSG_GETTABLE, family, [], "list tables").map((message) => ({
          family,
          name: decodeText(attributesOf(message).get(c.NFTA_TABLE_NAME)),
        })),
      ),
    chains(table) {
      const chains = new Map<string, number>();
      for (const message of dump(c.NFT_MSG_GETCHAIN, table.family, [], "list chains")) {
        const attributes = attributesOf(message);
        if (decodeText(attributes.get(c.NFTA_CHAIN_TABLE)) === table.name)
          chains.set(decodeText(attributes.get(c.NFTA_CHAIN_NAME)), 0);
      }
      if (chains.size === 0) return undefined;
      for (const message of dump(
        c.NFT_MSG_GETRULE,
        table.family,
        [text(c.NFTA_RULE_TABLE, table.name)],
        "list rules",
      )) {
        const chain = decodeText(attributesOf(message).get(c.NFTA_RULE_CHAIN));
        if (decodeText(attributesOf(message).get(c.NFTA_RULE_TABLE)) === table.name)
          chains.set(chain, (chains.get(chain) ?? 0) + 1);
      }
      return chains;
    },
    elements(table, set) {
      const attributes = [text(c.NFTA_SET_ELEM_LIST_TABLE, table.name), text(c.NFTA_SET_ELEM_LIST_SET, set)];
      try {
        return dump(c.NFT_MSG_GETSETELEM, table.family, attributes, `list set ${set}`).flatMap(decodeElements);
      } catch (error) {
        if (!isSyscallError(error, "ENOENT")) throw error;
        return undefined;
      }
    },
    close: () => socket.close(),
  };
}

const NFNLGRP_NFTABLES = 7;

/**
 * Calls back after every transaction of another process in the thread's namespace (or the one that `within` goes into), and when
 * notifications were lost; the result stops it.
 */
export function watchForeignChanges(changed: () => void, within?: (open: () => number) => number): () => void {
  const type = (c.NFNL_SUBSYS_NFTABLES << 8) | c.NFT_MSG_NEWGEN;
  const onMessages = (messages: readonly Message[]): void => {
    const generations = messages.filter((message) => message.type === type);
    if (generations.some((message) => attributesOf(message).get(c.NFTA_GEN_PROC_PID)?.readUInt32BE() !== process.pid))
      changed();
  };
  return listenNetlink(NETLINK_NETFILTER, NFNLGRP_NFTABLES, { onMessages, onLost: changed }, within);
}

function batch(type: number): Request {
  return { type, flags: 0, body: generic(0, c.NFNL_SUBSYS_NFTABLES), what: "transaction" };
}

function attributesOf(message: Message): ReadonlyMap<number, Buffer> {
  return attributeMap(message.body.subarray(4));
}

function decodeElements(message: Message): { key: Buffer; data: Buffer | undefined }[] {
  const list = attributesOf(message).get(c.NFTA_SET_ELEM_LIST_ELEMENTS);
  return decodeAttributes(list ?? Buffer.alloc(0)).map(({ value }) => {
    const element = attributeMap(value);
    const plain = (type: number): Buffer | undefined => {
      const data = element.get(type);
      return data && attributeMap(data).get(c.NFTA_DATA_VALUE);
    };
    return { key: plain(c.NFTA_SET_ELEM_KEY) ?? Buffer.alloc(0), data: plain(c.NFTA_SET_ELEM_DATA) };
  });
}
