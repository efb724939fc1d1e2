/** Settings that other commands share with `koii-mesh start`: its environment variables and its configuration file hold for them, too. */
import { type Command, Option } from 'commander'
import { ConfigError, type ConfigKey, envName, flagName, namedTasks, readSettings } from '../config/index.ts'

const SHARED: ConfigKey[] = ['k2', 'program', 'task', 'key', 'dataDir']
/** `start` reads all of its settings by itself; what these call a task, a program or a data directory is something else. */
const OWN = new Set(['start', 'testnet', 'keygen'])
/** Its data directory is another than a node's. */
const OWN_BUT_KEY = new Set(['signer'])
/** What is said of a task that is added is its own: the node has these settings already, and its environment is not ours. */
const OWN_BUT_DATA_DIR = new Set(['add'])
const OWN_BUT_K2 = new Set(['k2', 'deploy', 'verify'])
/** These ask the node of a data directory where they are told to: that it has one says not that it runs. */
const ASK_A_NODE = new Set(['claim', 'slash', 'get', 'show'])

/** Gives a command `--config`, and its options their variables; the commands below it are left to the caller. */
export function shareSettings(command: Command): void {
  if (OWN.has(command.name())) {
    return
  }
  let shared = false
  const tasks = namedTasks(process.env[envName('task')])
  for (const key of keysOf(command.name())) {
    const option = command.options.find(({ long }) => long === flagName(key))
    if (option != null) {
      shared = true
      // named in the help; commander itself looks at variables only of options that had theirs when they were added
      option.env(envName(key))
      const value = process.env[envName(key)]
      // one that may be left out is left out where it is not known which one is meant
      if (value != null && !(key === 'task' && tasks.length > 1 && !option.mandatory)) {
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
  if (tasks.length > 1) {
    command.hook('preAction', () => demandOne(command, tasks))
  }
  if (shared && !command.options.some(({ long }) => long === '--config')) {
    command.addOption(new Option('--config <file>', 'read these settings from the JSON file of a node; flags and variables override it'))
  }
}

/** A command for one task, in the settings of a node that does several. @throws ConfigError */
function demandOne(command: Command, tasks: string[]): void {
  const given = process.env[envName('task')]
  const isByOption = command.getOptionValueSource('task') === 'env'
  const isByArgument = command.registeredArguments.some((argument, i) => argument.name() === 'id' && command.processedArgs[i] === given)
  if (isByOption || isByArgument) {
    throw new ConfigError(
      `this is about one task, and ${envName('task')} or the configuration file names ${tasks.length}: say which one, ` +
        (isByOption ? `with ${flagName('task')}` : 'after the name of the command')
    )
  }
}

function keysOf(command: string): ConfigKey[] {
  if (OWN_BUT_K2.has(command)) {
    return ['k2']
  }
  if (OWN_BUT_KEY.has(command)) {
    return ['key', 'program']
  }
  if (OWN_BUT_DATA_DIR.has(command)) {
    return ['dataDir']
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
  const own = entryOf(settings, env[envName('task')] ?? taskNames(settings), argv)
  for (const key of SHARED) {
    const value = key === 'task' ? taskNames(settings) : key === 'key' ? keyIn(settings, own) : settings[key]
    if (value != null) {
      env[envName(key)] ??= Array.isArray(value) ? value.join(',') : String(value)
    }
  }
}

/** What the file says of the one task that a command is about. */
function entryOf({ tasks }: Record<string, unknown>, named: string | undefined, argv: readonly string[]): Record<string, unknown> {
  const flag = flagName('task')
  const at = argv.findLastIndex((text) => text === flag || text.startsWith(`${flag}=`))
  const task = at < 0 ? named : argv[at]!.includes('=') ? argv[at]!.slice(flag.length + 1) : argv[at + 1]
  const entries: unknown[] = Array.isArray(tasks) ? tasks : []
  return (entries.find((one) => (one as { task?: unknown } | null)?.task === task) ?? {}) as Record<string, unknown>
}

/** A task with a key or a signer of its own has not the one that is for all. */
function keyIn(settings: Record<string, unknown>, own: Record<string, unknown>): unknown {
  return own.key ?? (own.signer == null ? settings.key : undefined)
}

/** Of a file for one task or for several; undefined where it names none. */
function taskNames({ task, tasks }: Record<string, unknown>): string | undefined {
  const names = namedTasks(task, tasks)
  return names.length > 0 ? names.join(',') : task == null ? undefined : String(task)
}
