import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { readSmallFile } from '../disk/index.ts'
import { JsonLimitError, parseJson } from '../k2/json.ts'
import { accountJson, addressText, firstFault, MAX_ACCOUNT_BYTES } from './account-json.ts'
import { GenesisError } from './errors.ts'
import type { GenesisAccount } from './genesis-account.ts'

/** An account's data in base64, and what else there is about it. */
const MAX_FILE_BYTES = Math.ceil((MAX_ACCOUNT_BYTES * 4) / 3) + 4096
/** A folder of more is none of fixtures. */
const MAX_FILES = 10_000

const file = z.object({ pubkey: addressText, account: accountJson }, 'should be an object')

/**
 * An account from a file as `solana account ADDRESS --output json` writes it.
 *
 * @param address where it shall be; without one, at the address that the file names
 * @throws GenesisError naming the file and the field
 */
export function readAccountFile(path: string, address?: string): GenesisAccount {
  let text: string
  try {
    text = readSmallFile(path, MAX_FILE_BYTES).toString('utf8')
  } catch (err) {
    throw new GenesisError(`cannot read the account file ${path}: ${(err as Error).message}`, { cause: err })
  }
  const wrong = (what: string) =>
    new GenesisError(`${path} is no account file (${what}): make one with solana account ADDRESS --output json --output-file FILE`)
  let value: unknown
  try {
    value = parseJson(text)
  } catch (err) {
    throw wrong(err instanceof JsonLimitError ? err.message : 'not JSON')
  }
  const { success, data, error } = file.safeParse(value)
  if (!success) {
    throw wrong(firstFault(error))
  }
  return { address: address ?? data.pubkey, state: data.account, from: path }
}

/** The accounts of every .json file in a folder, in the order of their names. @throws GenesisError */
export function readAccountDir(dir: string): GenesisAccount[] {
  let names: string[]
  try {
    names = readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
      entry.name.endsWith('.json') && !entry.isDirectory() ? [entry.name] : []
    )
  } catch (err) {
    throw new GenesisError(`cannot read the folder of accounts ${dir} (${(err as Error).message}): check the path`, { cause: err })
  }
  if (names.length > MAX_FILES) {
    throw new GenesisError(`${dir} has ${names.length} account files, and ${MAX_FILES} are read at most: give fewer`)
  }
  return names.sort().map((name) => readAccountFile(join(dir, name)))
}
