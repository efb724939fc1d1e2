/**
 * Writes protocols/rounds/vectors/schedule-*: run by hand when the deadlines change, never by the tests.
 *
 *     node test/clock/make-vectors.ts
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scheduleFor, type Timing } from '../../src/clock/index.ts'

const dir = join(import.meta.dirname, '..', '..', 'protocols', 'rounds', 'vectors')
for (const name of readdirSync(dir).filter((file) => file.startsWith('schedule-'))) {
  rmSync(join(dir, name)) // what no longer exists goes
}

function write(name: string, description: string, timing: Timing, cycle: number): void {
  const vector = { description, kind: 'schedule', timing, cycle, schedule: scheduleFor(timing, cycle) }
  writeFileSync(join(dir, `schedule-${name}.json`), `${JSON.stringify(vector, null, 2)}\n`)
}

write(
  'shortest-windows',
  'The shortest audit window that there may be.',
  { startingSlot: 0, roundSlots: 9, submissionWindow: 1, auditWindow: 8 },
  0
)
write(
  'rounding',
  'Fractions of windows are rounded down, and the lower bounds hold.',
  { startingSlot: 7, roundSlots: 22, submissionWindow: 5, auditWindow: 15 },
  1
)
write(
  'testnet',
  'The timing of `koii-mesh testnet`: rounds of 30 slots.',
  { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 16 },
  4
)
write(
  'audit-window-18',
  'An audit window of 18 slots: two slots more than the one of 16, all of them for looking.',
  { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 18 },
  4
)
write(
  'audit-window-64',
  'An audit window of 64 slots, in which delivery may take four.',
  { startingSlot: 0, roundSlots: 120, submissionWindow: 40, auditWindow: 64 },
  2
)
write(
  'audit-window-300',
  'An audit window of 300 slots, two minutes on K2: delivery may take eight slots, the most there is.',
  { startingSlot: 10, roundSlots: 600, submissionWindow: 200, auditWindow: 300 },
  3
)
write(
  'ten-minutes',
  'The timing of `koii-mesh task create` as it comes: 1,500 slots, ten minutes on K2.',
  { startingSlot: 5000, roundSlots: 1500, submissionWindow: 500, auditWindow: 750 },
  12
)
write(
  'audit-window-3352',
  'A long audit window: the deadlines at its ends are as far from them as in any of 128 slots and more.',
  { startingSlot: 1_000_000, roundSlots: 6_704, submissionWindow: 3_352, auditWindow: 3_352 },
  5
)
