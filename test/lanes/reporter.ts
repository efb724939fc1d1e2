/** Mocha's usual report, which also says when there was nothing to run: a name that is spelt wrong is no success (`fail-zero`). */
import mocha, { type MochaOptions, type Runner } from 'mocha'

export default class Report extends mocha.reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options)
    runner.once('end', () => {
      if (runner.total === 0) {
        process.stderr.write('no test was run: nothing in these files is called like what -g or -f asks for\n')
      }
    })
  }
}
