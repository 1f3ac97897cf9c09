import { invalid, type FieldErrors } from "./errors.ts";

/** A path below something: relative, without `..` (validateLocalDescendingPath). */
export function checkRelativePath(path: string, field: string): FieldErrors {
  const errors: FieldErrors = [];
  if (path.startsWith("/")) errors.push(invalid(field, path, "must be a relative path"));
  return [...errors, ...checkNoBacksteps(path, field)];
}

/** As checkRelativePath; names that start with `..` are the atomic writer's own (validateLocalNonReservedPath). */
export function checkFilePath(path: string, field: string): FieldErrors {
  const errors = checkRelativePath(path, field);
  const reserved = path.startsWith("..") && !path.startsWith("../");
  return reserved ? [...errors, invalid(field, path, "must not start with '..'")] : errors;
}

export function checkNoBacksteps(path: string, field: string): FieldErrors {
  return path.split("/").includes("..") ? [invalid(field, path, "must not contain '..'")] : [];
}
