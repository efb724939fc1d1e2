import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { readKeyFile } from '../identity/index.ts'
import { cloneAccounts, type GenesisAccount, hasChain, readAccountDir, readAccountFile, readProgramFile } from '../local-k2/index.ts'
import { addressOf, collect, UsageError } from './common.ts'

/** What a new chain is given, in the words of solana-test-validator. */
export interface GenesisOptions {
  account?: string[]
  accountDir?: string[]
  bpfProgram?: string[]
  upgradeableProgram?: string[]
  clone?: string[]
  cloneUpgradeableProgram?: string[]
  maybeClone?: string[]
  url?: string
}

const FLAGS = {
  account: '--account',
  accountDir: '--account-dir',
  bpfProgram: '--bpf-program',
  upgradeableProgram: '--upgradeable-program',
  clone: '--clone',
  cloneUpgradeableProgram: '--clone-upgradeable-program',
  maybeClone: '--maybe-clone'
} as const

export function withGenesis(command: Command): Command {
  return command
    .option('--account <address...>', 'new chain: an account, then its file of `solana account --output json`; "-" for its own address')
    .option('--account-dir <dir>', 'new chain: the accounts of every .json file in this folder; may be given several times', collect)
    .option('--bpf-program <address...>', 'new chain: a program, then its .so file; the address may be a keypair file')
    .option('--upgradeable-program <address...>', 'new chain: the same, with a third: who may change it, or "none"')
    .option('--clone <address>', 'new chain: an account from --url, a program with its code; may be given several times', collect)
    .option('--clone-upgradeable-program <address>', 'new chain: a program from --url with its code; may be given several times', collect)
    .option('--maybe-clone <address>', 'new chain: an account from --url if there is one; may be given several times', collect)
    .option('--url <url>', 'JSON-RPC of the cluster that is cloned from')
}

/**
 * Reads what a new chain is given, and asks --url for what is cloned.
 *
 * @param dataDir undefined where the chain is in memory
 * @throws UsageError, GenesisError, KeyFileError, K2UnreachableError
 */
export async function genesisAccounts(
  options: GenesisOptions,
  { dataDir, reset }: { dataDir: string | undefined; reset: boolean }
): Promise<GenesisAccount[]> {
  const used = (Object.keys(FLAGS) as Array<keyof typeof FLAGS>).filter((name) => (options[name]?.length ?? 0) > 0)
  if (used.length > 0 && dataDir !== undefined && !reset && hasChain(dataDir)) {
    throw new UsageError(
      `${used.map((name) => FLAGS[name]).join(', ')}: only a new chain is given accounts and programs, and ${dataDir} has one already: ` +
        'leave it out, or add --reset to begin anew'
    )
  }
  const clones = [...(options.clone ?? []), ...(options.cloneUpgradeableProgram ?? []), ...(options.maybeClone ?? [])]
  if (clones.length > 0 && options.url === undefined) {
    throw new UsageError('--clone needs --url, the JSON-RPC of the cluster to clone from, such as https://api.mainnet-beta.solana.com')
  }
  if (options.url !== undefined && !(/^https?:\/\/[^\s/]/.test(options.url) && URL.canParse(options.url))) {
    throw new UsageError(`--url is "${options.url}", and should be an http or https URL, such as https://api.mainnet-beta.solana.com`)
  }
  clones.forEach((address) => void addressOf(address, '--clone'))
  const accounts = inGroups(options.account, 2, '--account ADDRESS FILE').map(([address, file]) =>
    readAccountFile(resolve(file!), address === '-' ? undefined : addressOf(address!, '--account'))
  )
  const dirs = (options.accountDir ?? []).flatMap((dir) => readAccountDir(resolve(dir)))
  const programs: GenesisAccount[] = []
  for (const [program, file] of inGroups(options.bpfProgram, 2, '--bpf-program ADDRESS FILE')) {
    programs.push(...readProgramFile(await addressOrKey(program!, '--bpf-program'), resolve(file!)))
  }
  for (const [program, file, authority] of inGroups(options.upgradeableProgram, 3, '--upgradeable-program ADDRESS FILE AUTHORITY')) {
    const owner = authority === 'none' ? undefined : await addressOrKey(authority!, 'the authority of --upgradeable-program')
    programs.push(...readProgramFile(await addressOrKey(program!, '--upgradeable-program'), resolve(file!), owner))
  }
  const cloned =
    clones.length === 0
      ? []
      : await cloneAccounts({
          url: options.url!,
          accounts: options.clone ?? [],
          programs: options.cloneUpgradeableProgram ?? [],
          maybe: options.maybeClone ?? []
        })
  return [...accounts, ...dirs, ...programs, ...cloned]
}

function inGroups(values: readonly string[] = [], size: number, form: string): string[][] {
  if (values.length % size !== 0) {
    throw new UsageError(`${form} takes ${size} values each time, and ${values.length} are given: ${values.join(' ')}`)
  }
  return Array.from({ length: values.length / size }, (_, index) => values.slice(index * size, (index + 1) * size))
}

/** An address, or that of a keypair file. */
async function addressOrKey(text: string, name: string): Promise<string> {
  try {
    return addressOf(text, name)
  } catch (err) {
    if (!existsSync(text)) {
      throw err
    }
    return (await readKeyFile(resolve(text))).address
  }
}
