/** That the signer is away, told once when it begins and once when it is over. */
import { commandLine } from '../../command/index.ts'

export interface Away {
  /** `untilSigned`: that it answers is not enough, as it has answered wrong. `isTold`: somebody is there to be told. */
  begins(reason: string, isTold: boolean, untilSigned?: boolean): void
  /** It answers, or (`signed`) has signed. */
  ends(signed: boolean): void
  is(): boolean
  /** One line for the operator. */
  notice(): string | null
}

export function createAway(path: string, { onAway, onBack }: { onAway: (reason: string) => void; onBack: (awayMs: number) => void }): Away {
  let now: { reason: string; sinceMs: number; untilSigned: boolean; isTold: boolean } | undefined
  return {
    begins(reason, isTold, untilSigned = false) {
      if (now != null) {
        now.reason = reason
        now.untilSigned ||= untilSigned
        return
      }
      now = { reason, sinceMs: performance.now(), untilSigned, isTold }
      if (isTold) {
        onAway(awayText(path, reason))
      }
    },
    ends(signed) {
      if (now == null || (now.untilSigned && !signed)) {
        return
      }
      const { isTold, sinceMs } = now
      now = undefined
      if (isTold) {
        onBack(Math.round(performance.now() - sinceMs))
      }
    },
    is: () => now != null,
    notice: () => (now == null ? null : awayText(path, now.reason))
  }
}

export const awayText = (path: string, reason: string) =>
  `the signer at ${path} does not answer as it should (${reason}): nothing is signed until it does. If it does not run, start it: ` +
  commandLine(['signer'], { key: 'KEY_FILE', dataDir: 'ITS_OWN_DIR', socket: path })
