import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Faults of random kinds at random moments, one run after the other, by all pairs and by reference classes in turn:
  /// six, or as many as `KINDRED_RANDOM_FAULTS` says, which tells what happened as well. `KINDRED_FAULT_SEED` makes the
  /// choices of an earlier run again; the machine decides what a fault then meets.
  @Suite(.tags(.long)) struct RandomFaultTests {
    private enum Kind: CaseIterable { case kill, interrupt, fullDisk }

    @Test(.timeLimit(.minutes(60))) func everyRunGoesOn() throws {
      let environment = ProcessInfo.processInfo.environment
      let asked = environment["KINDRED_RANDOM_FAULTS"].flatMap(Int.init)
      let seed = try environment["KINDRED_FAULT_SEED"].map {
        try #require(UInt64($0), "KINDRED_FAULT_SEED is \($0); a whole number is needed")
      }
      var generator = SeededNumbers(seed: seed ?? .random(in: 0..<1_000_000_000))
      print("random faults: KINDRED_FAULT_SEED=\(generator.seed)")
      // Enough images for several blocks of work in each stage.
      var searches = [
        try DisturbedRuns("all pairs", SmallSet.make(), []),
        try DisturbedRuns(
          "landmarks", SmallSet.make(images: 3000),
          ["--search", "landmarks", "--landmarks", "300", "--suspects", "200"]),
      ]
      var (faults, turn) = (0, 0)
      while faults < asked ?? 6 {
        let kind = Kind.allCases.randomElement(using: &generator)!
        if try searches[turn % 2].disturb(kind, using: &generator) { faults += 1 }
        turn += 1
        #expect(turn < 40 + 10 * (asked ?? 6), "faults that never come")
        if turn >= 40 + 10 * (asked ?? 6) { break }
      }
      for at in searches.indices {
        try searches[at].finish()
        if asked != nil { print(searches[at].history) }
      }
    }

    /// Runs of one search in a folder of its own: each goes on where the one before has ended, and once one is
    /// complete, the next begins anew.
    private struct DisturbedRuns {
      let search: String
      let faulty: FaultyRun
      /// What an undisturbed run takes, and so when a fault still finds it running.
      let seconds: Double
      var history = ""
      /// Whether a rank of a run that is not complete was killed.
      private var wasKilled = false

      private var folder: TemporaryFolder { faulty.folder }

      init(_ search: String, _ folder: TemporaryFolder, _ options: [String]) throws {
        self.search = search
        faulty = FaultyRun(folder, options)
        let whole = try faulty.start(ranks: 2, to: folder.file("whole"))
        #expect(whole.status == 0, "\(whole.text)")
        seconds = whole.seconds
      }

      /// One more run with a fault; whether the fault found it running.
      mutating func disturb(_ kind: Kind, using generator: inout some RandomNumberGenerator) throws
        -> Bool
      {
        let ranks = Int.random(in: 1...3, using: &generator)
        let delay = seconds * Double.random(in: 0...1, using: &generator)
        let rank = Int.random(in: 0..<ranks, using: &generator)
        let write = Int.random(in: 1...60, using: &generator)
        var environment: [String: String] = [:]
        if kind == .fullDisk && FaultyFiles.canCompile {
          environment = try FaultyFiles.environment(
            "pwrite", "ENOSPC", path: faulty.output, first: write, rank: rank)
        }
        let run = try faulty.start(ranks: ranks, environment: environment) { running in
          if kind == .fullDisk { return }
          RunningCommand.wait(20) { running.ranks.count == ranks || !running.isRunning }
          usleep(UInt32(delay * 1e6))
          let all = running.ranks
          if all.count == ranks { kill(all[rank], kind == .kill ? SIGKILL : SIGUSR1) }
        }
        let when = kind == .fullDisk ? "write \(write)" : "after \(delay) s"
        history +=
          "\(search): \(kind) \(ranks) ranks, rank \(rank), \(when), in \(stage(of: run))\n"
        #expect(!run.messages.contains("not used"), "\(history)\n\(run.text)")
        let isGone = RunningCommand.wait(10) {
          RunningCommand.processes(with: faulty.output).isEmpty
        }
        #expect(isGone, "processes are left: \(history)\n\(run.text)")
        // A rank may also be killed when all is done, before it has ended.
        let left = folder.names(in: "parts")
        if run.status == 0 || left.contains("run.json") && !left.contains("checkpoints") {
          // The fault came too late, or never. A run that is complete goes on to nothing.
          if run.status != 0 {
            let again = try faulty.start(ranks: ranks)
            #expect(
              again.status == 0 && again.messages.contains("is complete: nothing is left to do"),
              "\(history)\n\(again.text)")
          }
          try complete()
          return false
        }
        let files = left.filter { !$0.contains(".part-") }
        // SIGKILL may come while whole files get their names.
        wasKilled = wasKilled || kind == .kill
        let names = ["checkpoints", ".progress"] + (wasKilled ? RunOutput.fileNames : [])
        #expect(files.allSatisfy { names.contains($0) }, "\(files): \(history)\n\(run.text)")
        return true
      }

      /// A last run, which nothing disturbs.
      mutating func finish() throws {
        let rest = try faulty.start(ranks: 2)
        #expect(rest.status == 0, "\(history)\n\(rest.text)")
        #expect(
          folder.names(in: "parts").filter { !$0.contains(".part-") } == folder.names(in: "whole"),
          "\(history)")
        try complete()
      }

      /// After a run that is complete.
      private mutating func complete() throws {
        try faulty.expectUndisturbed()
        history += "\(search): complete, as undisturbed\n"
        try FileManager.default.removeItem(atPath: faulty.output)
        wasKilled = false
      }

      /// Where a run came from, and the stage that its first rank was in when it ended.
      private func stage(of run: Command) -> String {
        let lines = run.messages.split(separator: "\n")
        let from = lines.last { $0.contains("resuming") }.map { " (\($0))" } ?? ""
        let stage = lines.last { $0.contains(": begins") }.map { "\($0)" } ?? "no stage"
        return stage + from
      }
    }
  }
}
