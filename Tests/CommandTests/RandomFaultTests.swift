import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Faults of random kinds at random moments, one run after the other: five, or as many as
  /// `KINDRED_RANDOM_FAULTS` says.
  @Suite struct RandomFaultTests {
    private enum Kind: CaseIterable { case kill, interrupt, fullDisk }

    @Test(.timeLimit(.minutes(30))) func everyRunGoesOn() throws {
      let asked = ProcessInfo.processInfo.environment["KINDRED_RANDOM_FAULTS"].flatMap(Int.init)
      let folder = try SmallSet.make()
      let faulty = FaultyRun(folder)
      // What an undisturbed run takes, and so when a fault still finds it running.
      let whole = try faulty.start(ranks: 2, to: folder.file("whole"))
      #expect(whole.status == 0, "\(whole.text)")
      var (faults, completed, seeds) = (0, 0, "")
      var wasKilled = false
      var generator = SystemRandomNumberGenerator()
      while faults < asked ?? 5 {
        let kind = Kind.allCases.randomElement(using: &generator)!
        let ranks = Int.random(in: 1...3, using: &generator)
        let delay = Double.random(in: 0...whole.seconds, using: &generator)
        let rank = Int.random(in: 0..<ranks, using: &generator)
        let write = Int.random(in: 1...60, using: &generator)
        seeds += "\(kind) \(ranks) ranks, rank \(rank), after \(delay) s, write \(write); "
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
        #expect(!run.messages.contains("not used"), "\(seeds)\n\(run.text)")
        let isGone = RunningCommand.wait(10) {
          RunningCommand.processes(with: faulty.output).isEmpty
        }
        #expect(isGone, "processes are left: \(seeds)\n\(run.text)")
        // A rank may also be killed when all is done, before it has ended.
        let left = folder.names(in: "parts")
        if run.status == 0 || left.contains("run.json") && !left.contains("checkpoints") {
          // The fault came too late, or never. A run that is complete goes on to nothing.
          if run.status != 0 {
            let again = try faulty.start(ranks: ranks)
            #expect(
              again.status == 0 && again.messages.contains("is complete: nothing is left to do"),
              "\(seeds)\n\(again.text)")
          }
          try faulty.expectUndisturbed()
          try FileManager.default.removeItem(atPath: faulty.output)
          completed += 1
          wasKilled = false
          #expect(completed < 20 + 5 * (asked ?? 5), "faults that never come: \(seeds)")
          if completed >= 20 + 5 * (asked ?? 5) { return }
        } else {
          faults += 1
          let files = folder.names(in: "parts").filter { !$0.contains(".part-") }
          // SIGKILL may come while whole files get their names.
          wasKilled = wasKilled || kind == .kill
          let names = ["checkpoints", ".progress"] + (wasKilled ? RunOutput.fileNames : [])
          #expect(files.allSatisfy { names.contains($0) }, "\(files): \(seeds)\n\(run.text)")
        }
      }
      let rest = try faulty.start(ranks: 2)
      #expect(rest.status == 0, "\(seeds)\n\(rest.text)")
      try faulty.expectUndisturbed()
      #expect(
        folder.names(in: "parts").filter { !$0.contains(".part-") } == RunOutput.fileNames,
        "\(seeds)")
    }
  }
}
