/** Settings that other commands share with `koii-mesh start`: its environment variables and its configuration file hold for them, too. */
import { type Command, Option } from 'commander'
import { type Config, envName, flagName, readSettings } from '../config/index.ts'

const SHARED: Array<keyof Config> = ['k2', 'program', 'task', 'key', 'dataDir']
/** `start` reads all of its settings by itself; what these call a task, a program or a data directory is something else. */
const OWN = new Set(['start', 'testnet', 'keygen'])
/** Its data directory is another than a node's. */
const OWN_BUT_KEY = new Set(['signer'])
const OWN_BUT_K2 = new Set(['k2', 'deploy', 'verify'])
/** These ask the node of a data directory where they are told to: that it has one says not that it runs. */
const ASK_A_NODE = new Set(['claim', 'slash', 'get', 'show'])

/** Gives a command `--config`, and its options their variables; the commands below it are left to the caller. */
export function shareSettings(command: Command): void {
  if (OWN.has(command.name())) {
    return
  }
  let shared = false
  for (const key of keysOf(command.name())) {
    const option = command.options.find(({ long }) => long === flagName(key))
    if (option != null) {
      shared = true
      // named in the help; commander itself looks at variables only of options that had theirs when they were added
      option.env(envName(key))
      const value = process.env[envName(key)]
      if (value != null) {
        command.setOptionValueWithSource(option.attributeName(), value, 'env')
      }
    }
  }
  const task = process.env[envName('task')]
  for (const argument of command.registeredArguments) {
    if (argument.name() === 'id' && task != null) {
      argument.argOptional().default(task)
    }
  }
  if (shared && !command.options.some(({ long }) => long === '--config')) {
    command.addOption(new Option('--config <file>', 'read these settings from the JSON file of a node; flags and variables override it'))
  }
}

function keysOf(command: string): Array<keyof Config> {
  if (OWN_BUT_K2.has(command)) {
    return ['k2']
  }
  if (OWN_BUT_KEY.has(command)) {
    return ['key', 'program']
  }
  return ASK_A_NODE.has(command) ? SHARED.filter((key) => key !== 'dataDir') : SHARED
}

/**
 * Puts what the file of `--config` says in the environment, where no variable says otherwise. Before commander reads the options,
 * which are mandatory only when nothing else gives them.
 *
 * @throws ConfigError
 */
export function readSharedSettings(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  const at = argv.findIndex((text) => text === '--config' || text.startsWith('--config='))
  if (at < 0 || OWN.has(argv[2] ?? '')) {
    return
  }
  const file = argv[at]!.includes('=') ? argv[at]!.slice('--config='.length) : argv[at + 1]
  if (file == null || file === '') {
    return // commander says what is missing
  }
  const settings = readSettings(file)
  for (const key of SHARED) {
    const value = settings[key]
    if (value != null) {
      env[envName(key)] ??= Array.isArray(value) ? value.join(',') : String(value)
    }
  }
}
