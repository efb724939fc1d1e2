import { decodeProgram, decodeProgramData, hashOfElf, PLAIN_LOADERS, UPGRADEABLE_LOADER } from './accounts.ts'
import type { Cluster } from './cluster.ts'
import { ProgramAccountError } from './errors.ts'

/** A program as a cluster runs it. */
export interface DeployedProgram {
  programId: string
  /** The loader that owns it. */
  loader: string
  /** The address that holds the ELF: the program's own with loaders that cannot upgrade. */
  dataAddress: string
  /** With zeros to the end of the account. */
  elf: Uint8Array
  /** Who may change it; null: nobody. */
  authority: string | null
  /** When it was deployed last; undefined where the loader does not say. */
  slot: number | undefined
}

/** What a cluster runs beside what a file holds. Hashes are sha2-256 in hex, without the zeros at the end. */
export interface Comparison {
  equal: boolean
  deployedHash: string
  expectedHash: string
}

/**
 * Reads what a cluster runs at `programId`.
 *
 * @returns undefined where there is no account
 * @throws ProgramAccountError when it is not a program, or was closed; K2UnreachableError
 */
export async function readProgram(cluster: Pick<Cluster, 'account'>, programId: string): Promise<DeployedProgram | undefined> {
  const account = await cluster.account(programId)
  if (account === null) {
    return undefined
  }
  const loader = account.owner
  if (loader === UPGRADEABLE_LOADER) {
    const dataAddress = decodeProgram(programId, account.data)
    const data = await cluster.account(dataAddress)
    if (data === null) {
      throw new ProgramAccountError(`the program ${programId} was closed, and its address can never be used again: deploy to another`)
    }
    return { programId, loader, dataAddress, ...decodeProgramData(dataAddress, data.data) }
  }
  if (PLAIN_LOADERS.includes(loader) && account.executable) {
    return { programId, loader, dataAddress: programId, elf: account.data, authority: null, slot: undefined }
  }
  throw new ProgramAccountError(`${programId} is not a program (it belongs to ${loader}): check the address`)
}

export function compareElf(program: Pick<DeployedProgram, 'elf'>, expected: Uint8Array): Comparison {
  const [deployedHash, expectedHash] = [hashOfElf(program.elf), hashOfElf(expected)]
  return { equal: deployedHash === expectedHash, deployedHash, expectedHash }
}
