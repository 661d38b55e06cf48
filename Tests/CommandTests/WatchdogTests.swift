import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Jobs that hang are noticed in time, and leave nothing behind.
  @Suite(.tags(.long, .timing)) struct WatchdogTests {
    /// The ranks that wait are told from the one that is stopped, hangs or computes, and the run goes on.
    @Test(arguments: [("STOP", "silent: it is stopped"), ("hang", "outside communication")])
    func theWatchdog(fault: (kind: String, says: String)) throws {
      let folder = try FaultyRun.makeSet()
      let faulty = FaultyRun(folder)
      let run = try faulty.start(
        ranks: 3, fault: "1:\(fault.kind):9", environment: ["KINDRED_WATCHDOG": "3"]
      ) { running in
        RunningCommand.wait(40) { running.messages.contains("waited for") }
        for rank in running.ranks { kill(rank, fault.kind == "STOP" ? SIGCONT : SIGKILL) }
      }
      #expect(run.messages.contains(/warning: no progress for [3-9] s/), "\(run.text)")
      #expect(run.messages.contains(#/ waiting: ranks 0, 2 on [^ ]+, in /#), "\(run.text)")
      let waitedFor = run.messages.split(separator: "\n").filter { $0.contains("waited for:") }
      #expect(waitedFor.count == 1, "\(run.text)")
      let isNamed = waitedFor.first?.contains(#/rank 1 on [^ ]+, /#) == true
      #expect(isNamed && waitedFor.first?.contains(fault.says) == true, "\(run.text)")
      if fault.kind == "STOP" {
        #expect(run.status == 0, "\(run.text)")
        try faulty.expectUndisturbed()
        #expect(folder.names(in: "parts") == RunOutput.fileNames)
      }
    }

    /// A rank that works on keeps the watchdog quiet, and a mistake in its variable is named.
    @Test func theWatchdogIsQuiet() throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(folder, ranks: 2)
      #expect(run.status == 0 && !run.messages.contains("no progress"), "\(run.text)")
      let refused = try DamagedSet.average(
        folder, ["--overwrite"], ranks: 2, environment: ["KINDRED_WATCHDOG": "soon"])
      #expect(refused.errors.count == 1, "\(refused.text)")
      #expect(refused.errors.first?.contains("KINDRED_WATCHDOG is soon; seconds") == true)
    }

    /// Ranks end although one of them computes and the other waits for it.
    @Test func mpirunIsKilled() throws {
      let folder = try FaultyRun.makeSet()
      let faulty = FaultyRun(folder)
      let run = try faulty.start(ranks: 2, fault: "1:hang:9") { running in
        let model = faulty.output + "/checkpoints/model"
        RunningCommand.wait(30) { FileManager.default.fileExists(atPath: model) }
        sleep(1)
        #expect(running.ranks.count == 2)
        kill(running.process, SIGKILL)
      }
      #expect(run.status != 0)
      try faulty.expectNothingLost()
    }
  }
}
