/** The call of a bundle's `distribution`: a fresh process with a fresh interpreter each time, and a list that is checked. */
import type { DistributionEntry, DistributionInput, Outcome } from './api.ts'
import type { Description } from './description.ts'
import { checkDistribution, DistributionError, defaultDistribution } from './distribution.ts'
import { failed } from './failures.ts'
import type { TaskProcesses } from './processes.ts'
import { type CallOptions, timeoutOf } from './timeouts.ts'

/** In the order that every node has; the default distribution when the bundle has none. */
export async function callDistribution(
  processes: TaskProcesses,
  { functions }: Description,
  input: DistributionInput,
  options: CallOptions | undefined
): Promise<Outcome<DistributionEntry[]>> {
  const list = functions.has('distribution')
    ? await listOf(processes, input, options)
    : { ok: true as const, value: defaultDistribution(input) }
  if (!list.ok) {
    return list
  }
  try {
    return { ok: true, value: checkDistribution(list.value, input) }
  } catch (error) {
    if (!(error instanceof DistributionError)) {
      throw error
    }
    return failed('nonsense', error.message)
  }
}

/** What the bundle answers, whatever that is. */
async function listOf(processes: TaskProcesses, input: DistributionInput, options: CallOptions | undefined): Promise<Outcome<unknown>> {
  const started = processes.startFrozen(input.seed)
  const loaded = await started.ready
  const outcome: Outcome<unknown> = loaded.ok
    ? await started.call({
        function: 'distribution',
        timing: null,
        argument: input,
        proofs: null,
        timeoutMs: timeoutOf('distribution', null, options),
        signal: options?.signal
      })
    : loaded
  await processes.end(started, 'stopped', 'distributed')
  return outcome
}
