/** Tags of logs, checked before a container is made. */
export { unknownTagField } from "./logs/log-attributes.ts";
