import { z } from 'zod'
import { ask, connect } from '../k2/connection.ts'
import { accountJson, firstFault } from './account-json.ts'
import { GenesisError } from './errors.ts'
import type { GenesisAccount } from './genesis-account.ts'
import { programDataOf } from './genesis-program.ts'

/** Accounts of a request: four of the largest fit an answer. */
const CHUNK = 4
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const TIMEOUT_MS = 60_000

const answer = z.object({ value: z.array(accountJson.nullable()) }, 'is no answer')

/** What is copied from a cluster. */
export interface CloneInit {
  /** JSON-RPC endpoint. */
  url: string
  /** Accounts in base58; a program of the upgradeable loader comes with its data. */
  accounts?: readonly string[]
  /** Programs of the upgradeable loader, and nothing else. */
  programs?: readonly string[]
  /** Left out where there is none. */
  maybe?: readonly string[]
}

/**
 * Copies accounts by `getMultipleAccounts`, at `confirmed`.
 *
 * @throws GenesisError when one is not there, or is not what it should be
 * @throws K2ArgumentError, K2UnreachableError
 */
export async function cloneAccounts(init: CloneInit): Promise<GenesisAccount[]> {
  const { url, accounts = [], programs = [], maybe = [] } = init
  const cloned = new Map<string, GenesisAccount>()
  const fetchAll = async (addresses: Iterable<string>, isOptional: (address: string) => boolean) => {
    const wanted = [...new Set(addresses)].filter((address) => !cloned.has(address))
    for (let at = 0; at < wanted.length; at += CHUNK) {
      const chunk = wanted.slice(at, at + CHUNK)
      const states = await fetchAccounts(url, chunk)
      for (const [index, address] of chunk.entries()) {
        const state = states[index]
        if (state != null) {
          cloned.set(address, { address, state, from: url })
        } else if (!isOptional(address)) {
          throw new GenesisError(`${address} is not on ${url}, so it cannot be cloned: check the address and the URL`)
        }
      }
    }
  }
  const required = new Set([...accounts, ...programs])
  await fetchAll([...required, ...maybe], (address) => !required.has(address))
  for (const program of programs) {
    if (programDataOf(cloned.get(program)!.state) === undefined) {
      throw new GenesisError(`${program} on ${url} is no program of the upgradeable loader: clone it with --clone`)
    }
  }
  const data = [...cloned.values()].flatMap(({ state }) => programDataOf(state) ?? [])
  // the data of a program that was closed is gone
  await fetchAll(data, (address) => !programs.some((program) => programDataOf(cloned.get(program)!.state) === address))
  return [...cloned.values()]
}

async function fetchAccounts(url: string, addresses: readonly string[]) {
  const connection = connect({ url, timeoutMs: TIMEOUT_MS, maxResponseBytes: MAX_ANSWER_BYTES })
  const config = { encoding: 'base64', commitment: 'confirmed' }
  const result = await ask(url, () => connection.requestExact('getMultipleAccounts', [addresses, config]), '--url')
  const { success, data, error } = answer.safeParse(result)
  if (!success) {
    throw new GenesisError(`${url} answers getMultipleAccounts with what is no list of accounts: ${firstFault(error)}`)
  }
  if (data.value.length !== addresses.length) {
    throw new GenesisError(`${url} was asked for ${addresses.length} accounts and answers with ${data.value.length}`)
  }
  return data.value
}
