import { createLogUpdate } from 'log-update'
import { shownText } from '../observe/index.ts'
import { isColourful, isLive, printable, rawStream, showsUtf8 } from '../observe/output.ts'
import { shownLines } from '../observe/shown-text.ts'
import { picture } from './picture.ts'
import { finalizedOf, type SetupView, type ViewState } from './picture-parts.ts'

export { picture } from './picture.ts'
export { type SetupStep, type SetupView, slotTimes, type TaskView, type ViewState } from './picture-parts.ts'
export type { NodeRow } from './table.ts'

export interface View {
  show(state: ViewState | SetupView): void
  /** Leaves the last picture on the screen. */
  done(): void
}

const NARROW = 80
const SHORT = 24
const CLEAR = '\x1b[2J\x1b[H'

/** Redrawn in place on a terminal that can; one line a cycle elsewhere. */
export function createView(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): View {
  return isLive(stream, env) ? livePicture(stream, env) : lines(stream)
}

function lines(stream: NodeJS.WriteStream): View {
  let last = ''
  let seen: number | null = null
  return {
    show(state) {
      // a run that is refused prints nothing but why
      if (!('rows' in state)) {
        return
      }
      if (seen == null) {
        for (const { taskName, task, gets } of [state, ...(state.beside ?? [])]) {
          stream.write(`${shownText(`task ${taskName} ${task}: ${gets.join('; ')}`, 400)}\n`)
        }
      }
      // the last one stands in the line of the cycle; those that came with it would never be seen
      for (const message of state.setup.length > 0 ? [] : state.messages.slice(seen ?? state.messages.length, -1)) {
        stream.write(`${shownText(message, 400)}\n`)
      }
      seen = state.messages.length
      const line = oneLine(state)
      if (line !== last) {
        last = line
        stream.write(`${line}\n`)
      }
    },
    done() {}
  }
}

function livePicture(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): View {
  const screen = rawStream(stream)
  const update = createLogUpdate(screen, { showCursor: false })
  let last: ViewState | SetupView | undefined
  const draw = () => {
    if (last != null) {
      // the last thing before the screen: whoever wrote a part of it, only our colours act
      // `…` takes three columns where it is three points
      const columns = (stream.columns || NARROW) - (showsUtf8(env) ? 0 : 2)
      const safe = printable(shownLines(picture(last, columns, stream.rows || SHORT)), env)
      update(isColourful(stream, env) ? coloured(safe) : safe)
    }
  }
  // the terminal has wrapped the old picture anew, so nobody knows how many lines it takes now
  const onResize = () => {
    update.done()
    screen.write(CLEAR)
    draw()
  }
  stream.on('resize', onResize)
  return {
    show(state) {
      last = state
      draw()
    },
    done() {
      stream.off('resize', onResize)
      update.done()
    }
  }
}

const GREY = ['\x1b[90m', '\x1b[39m'] as const
const CYAN = ['\x1b[36m', '\x1b[39m'] as const

/** Of one table. */
const BORDERS = 3

/** Borders in grey, the heads of tables in cyan. */
function coloured(text: string): string {
  let borders = 0
  return text
    .split('\n')
    .map((line) => {
      if (/^[┌├└+][─┬┼┴┐┤┘+-]+$/.test(line)) {
        borders++
        return `${GREY[0]}${line}${GREY[1]}`
      }
      return /^[│|].*[│|]$/.test(line)
        ? line.replace(/[│|]|[^│|]+/g, (part) => {
            const colour = /[│|]/.test(part) ? GREY : borders % BORDERS === 1 ? CYAN : undefined
            return colour == null ? part : `${colour[0]}${part}${colour[1]}`
          })
        : line
    })
    .join('\n')
}

function oneLine(state: ViewState): string {
  if (state.setup.length > 0) {
    const { name, text } = state.setup.find(({ done }) => !done) ?? state.setup.at(-1)!
    return `setting up, ${name}: ${shownText(text)}`
  }
  const { phase, cycle, wanted, messages, beside = [] } = state
  const goals =
    beside.length === 0
      ? finalizedOf(state, wanted)
      : [state, ...beside].map((task) => `${shownText(task.taskName, 24)} ${finalizedOf(task, wanted)}`).join(', ')
  return `cycle ${cycle}, ${phase}: ${goals}${messages.length > 0 ? ` - ${shownText(messages.at(-1), 400)}` : ''}`
}
