import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Ranks that fail in every way end the job with their name, leave no processes, and lose no work.
  @Suite struct FaultTests {
    /// What a rank says, or mpirun for it.
    private static let faults = [
      ("trap", "stopped by SIG"), ("memory", "stopped by SIG"), ("ILL", "stopped by SIGILL"),
      ("TRAP", "stopped by SIGTRAP"), ("SEGV", "stopped by SIGSEGV"), ("BUS", "stopped by SIGBUS"),
      ("ABRT", "stopped by SIGABRT"), ("FPE", "stopped by SIGFPE"),
      ("KILL", "exited on signal 9"),
    ]

    @Test(arguments: faults) func aRankFails(fault: (kind: String, says: String)) throws {
      let folder = try SmallSet.make()
      let run = try FaultyRun(folder).start(ranks: 3, fault: "1:\(fault.kind):9")
      #expect(run.status != 0 && run.seconds < 20, "\(run.text)")
      #expect(run.messages.contains(fault.says), "\(run.text)")
      if fault.kind == "KILL" {
        #expect(run.messages.contains(/process rank 1 with PID [0-9]+ on node/), "\(run.text)")
        #expect(run.errors == [], "\(run.text)")
      } else {
        let isNamed = run.errors.first?.contains(/error: rank 1 of 3 on [^ ]+ stopped by/) == true
        #expect(run.errors.count == 1 && isNamed, "\(run.text)")
        // A backtrace of every rank would hide it.
        #expect(
          !run.messages.contains("Backtrace") && !run.messages.contains(" at 0x"), "\(run.text)")
      }
      try FaultyRun(folder).expectNothingLost()
    }

    /// The ranks that wait are told from the one that is stopped, hangs or computes, and the run goes on.
    @Test(arguments: [("STOP", "silent: it is stopped"), ("hang", "outside communication")])
    func theWatchdog(fault: (kind: String, says: String)) throws {
      let folder = try SmallSet.make()
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
      let folder = try SmallSet.make()
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

/// Runs of three passes that are disturbed, in the folder `parts` beside the set.
struct FaultyRun {
  let folder: TemporaryFolder
  /// Further options of the runs.
  let options: [String]
  var output: String { folder.file("parts") }

  init(_ folder: TemporaryFolder, _ options: [String] = []) {
    self.folder = folder
    self.options = options
  }

  func start(
    ranks: Int, fault: String? = nil, environment: [String: String] = [:], to output: String? = nil,
    meanwhile: (RunningCommand) throws -> Void = { _ in }
  ) throws -> Command {
    try Command.run(
      [
        "average", folder.file("set/particles.star"), "--output", output ?? self.output,
        "--neighbours", "5", "--averages", "3", "--passes", "3", "--checkpoint-minutes", "0",
        "--resume",
      ] + options, ranks: ranks,
      environment: environment.merging(fault.map { ["KINDRED_FAULT": $0] } ?? [:]) { $1 },
      meanwhile: meanwhile)
  }

  /// The job's processes end by themselves, nothing stays under a final name, and the run that goes on gives
  /// what an undisturbed one gives.
  func expectNothingLost(_ location: SourceLocation = #_sourceLocation) throws {
    let isGone = RunningCommand.wait(10) { RunningCommand.processes(with: output).isEmpty }
    #expect(isGone, "processes are left", sourceLocation: location)
    let files = folder.names(in: "parts").filter { !$0.contains(".part-") }
    #expect(files == ["checkpoints"], sourceLocation: location)
    let rest = try start(ranks: 2)
    #expect(rest.status == 0, "\(rest.text)", sourceLocation: location)
    let hasContinued = rest.messages.contains("resuming")
    #expect(
      hasContinued && !rest.messages.contains("not used"), "\(rest.text)", sourceLocation: location)
    try expectUndisturbed(location)
  }

  /// The neighbours are those of a run without faults.
  func expectUndisturbed(_ location: SourceLocation = #_sourceLocation) throws {
    if folder.names(in: "whole").isEmpty {
      #expect(try start(ranks: 2, to: folder.file("whole")).status == 0)
    }
    for name in ["neighbours", "affinity", "rotation", "reflected"] {
      let same = try folder.data("parts/\(name).npy") == folder.data("whole/\(name).npy")
      #expect(same, "\(name) differs", sourceLocation: location)
    }
  }
}
