import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct OptionTests {
    /// One message for all ranks, wherever the mistake is found: by the parser, before and after the images are read.
    /// `RefusalRanks` tries all mistakes.
    @Test(
      arguments: [
        "--neighbours many", "--neighbours=-1", "--band-limit 5000", "--noise-variance 1e6",
      ],
      [nil, 2])
    func areRefusedOnce(options: String, ranks: Int?) throws {
      let mistake = try #require(
        OptionMistakes.all.first { $0.0.joined(separator: " ") == options })
      try expectRefusal(mistake, ranks: ranks)
    }

    private func expectRefusal(_ mistake: ([String], String), ranks: Int?) throws {
      let folder = try DamagedSet.make()
      let run = try DamagedSet.average(folder, mistake.0, ranks: ranks)
      #expect(run.status != 0 && run.errors.count == 1, "\(run.text)")
      #expect(run.errors.first?.contains(mistake.1) == true, "\(run.text)")
      #expect(folder.names(in: "run") == [])
    }

    @Test(arguments: [
      (
        "simulate",
        [
          "output", "map", "images", "box", "pixel-size", "snr", "defocus-groups", "defocus",
          "voltage", "cs", "amplitude-contrast", "envelope", "seed", "overwrite",
        ]
      ),
      (
        "average",
        [
          "output", "neighbours", "suspects", "search", "affinity", "defocus-groups",
          "noise-variance", "radius", "band-limit", "averages", "threads", "seed", "no-ctf",
          "strict", "overwrite", "vdm-graph", "vdm-neighbours", "vdm-eigenvectors",
          "vdm-frequencies", "vdm-time",
        ]
      ),
      (
        "denoise",
        [
          "output", "defocus-groups", "noise-variance", "radius", "band-limit", "threads",
          "no-ctf", "strict", "overwrite",
        ]
      ), ("evaluate", ["truth", "neighbours", "json"]),
    ])
    func helpNamesEveryOption(command: String, options: [String]) throws {
      let run = try Command.run([command, "--help"])
      #expect(run.status == 0 && run.messages == "", "\(run.text)")
      for option in options { #expect(run.output.contains("\n  --\(option) "), "\(option)") }
    }

    @Test func withoutACommandTheHelpNamesAll() throws {
      let run = try Command.run([])
      #expect(run.status == 0, "\(run.text)")
      for command in ["average", "denoise", "simulate", "evaluate"] {
        #expect(run.output.contains("\n  \(command) "))
      }
    }
  }
}
