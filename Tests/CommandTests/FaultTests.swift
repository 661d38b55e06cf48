import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Ranks that fail in every way end the job with their name, leave no processes, and lose no work.
  @Suite(.tags(.long)) struct FaultTests {
    /// What a rank says, or mpirun for it.
    private static let faults = [
      ("trap", "stopped by SIG"), ("memory", "stopped by SIG"), ("ILL", "stopped by SIGILL"),
      ("TRAP", "stopped by SIGTRAP"), ("SEGV", "stopped by SIGSEGV"), ("BUS", "stopped by SIGBUS"),
      ("ABRT", "stopped by SIGABRT"), ("FPE", "stopped by SIGFPE"),
      ("KILL", "exited on signal 9"),
    ]

    @Test(arguments: faults) func aRankFails(fault: (kind: String, says: String)) throws {
      let folder = try FaultyRun.makeSet()
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
  }
}

/// Runs of three passes that are disturbed, in the folder `parts` beside the set.
struct FaultyRun {
  let folder: TemporaryFolder
  /// Further options of the runs.
  let options: [String]
  var output: String { folder.file("parts") }

  /// Images enough for a fault between two blocks of work, and for little work after it.
  static func makeSet() throws -> TemporaryFolder { try SmallSet.make(images: 120) }

  init(_ folder: TemporaryFolder, _ options: [String] = []) {
    self.folder = folder
    self.options = options
  }

  private var arguments: [String] {
    [
      "--neighbours", "5", "--averages", "3", "--passes", "3", "--checkpoint-minutes", "0",
      "--resume",
    ] + options
  }

  func start(
    ranks: Int, fault: String? = nil, environment: [String: String] = [:], to output: String? = nil,
    meanwhile: (RunningCommand) throws -> Void = { _ in }
  ) throws -> Command {
    try Command.run(
      ["average", folder.file("set/particles.star"), "--output", output ?? self.output]
        + arguments, ranks: ranks,
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
      try Command.averageOnce(folder, to: "whole", arguments, ranks: 2)
    }
    for name in ["neighbours", "affinity", "rotation", "reflected"] {
      let same = try folder.data("parts/\(name).npy") == folder.data("whole/\(name).npy")
      #expect(same, "\(name) differs", sourceLocation: location)
    }
  }
}
