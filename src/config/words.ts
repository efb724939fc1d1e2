/** How settings are called, and what is said of one that is wrong. */
import type { z } from 'zod'
import { CONFIG_KEYS } from './schema.ts'

/** `quotaMiB` is quota_mib: its unit is one word. */
function wordsOf(key: string, between: string): string {
  return key
    .replace(/MiB$/, 'Mib')
    .replaceAll(/[A-Z]+/g, (letters) => `${between}${letters}`)
    .toLowerCase()
}

/** `allowPrivate` is KOII_MESH_ALLOW_PRIVATE in the environment. */
export function envName(key: string): string {
  return `KOII_MESH_${wordsOf(key, '_').toUpperCase()}`
}

/** `allowPrivate` is --allow-private on the command line. */
export function flagName(key: string): string {
  return `--${wordsOf(key, '-')}`
}

/** As it was given. */
export function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

/** @param where - what gave the setting, such as `--task`; undefined where nothing did */
export function complaintOf(issue: z.core.$ZodIssue, key: string, where: string | undefined, value: unknown): string {
  if (where == null) {
    return `${flagName(key)} is missing: give it as a flag, as ${envName(key)} or as "${key}" in the configuration file`
  }
  // parameters may be long: what is wrong inside of them says where
  const isWhole = issue.message.startsWith('is ') || (key === 'params' && !issue.message.startsWith('should'))
  return isWhole ? `${where} ${issue.message}` : `${where} is ${shown(value)}: ${issue.message}`
}

/** @param keys - as they were given */
export function unknownSetting(keys: string[]): string {
  return `${keys.join(', ')}: no such setting; there are ${CONFIG_KEYS.join(', ')}`
}
