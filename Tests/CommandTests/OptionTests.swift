import Foundation
import TestSupport
import Testing

extension CommandTests {
  @Suite struct OptionTests {
    private static let mistakes = [
      (["--neighbours=-1"], "--neighbours is -1; at least 1"),
      (["--neighbours=0"], "--neighbours is 0; at least 1"),
      (["--neighbours", "many"], "'many' is invalid for '--neighbours"),
      (["--averages=-1"], "--averages is -1"),
      (["--threads=0"], "--threads is 0; at least 1"),
      (["--defocus-groups=0"], "--defocus-groups is 0; at least 1"),
      (["--noise-variance=-2"], "--noise-variance is -2"),
      (["--noise-variance", "nan"], "--noise-variance is nan"),
      (["--signal-share", "1.5"], "--signal-share is 1.5"),
      // Pixels of 10 A, a box of 160 A.
      (["--band-limit", "19"], "--band-limit is 19.0 A; at least two pixels of 10.0 A"),
      (["--band-limit", "nan"], "--band-limit is nan"),
      (["--band-limit", "5000"], "leave no basis function"),
      (
        ["--radius", "81"],
        "--radius is 81.0 A; from two pixels (20.0 A) to half the box (80.0 A)"
      ),
      (["--radius", "19"], "--radius is 19.0 A"), (["--radius=-3"], "--radius is -3.0 A"),
      (["--radius", "nan"], "--radius is nan"),
      (["--affinity", "best"], "'best' is invalid for '--affinity"),
      (["--search-budget", "nan"], "--search-budget is nan"),
      (["--search-budget=-1"], "--search-budget is -1.0"),
      (["--passes=0"], "--passes is 0; at least 1"),
      (["--checkpoint-minutes=-1"], "--checkpoint-minutes is -1.0; a number from 0"),
      (["--checkpoint-minutes", "inf"], "--checkpoint-minutes is inf; a number from 0"),
      (["--max-hours=-0.5"], "--max-hours is -0.5; a number from 0"),
      (["--max-hours", "nan"], "--max-hours is nan; a number from 0"),
      (
        ["--neighbours", "auto", "--confidence=-0.1"],
        "--confidence is -0.1; a probability from 0 to 1"
      ),
      (
        ["--neighbours", "auto", "--confidence", "1.01"],
        "--confidence is 1.01; a probability from 0 to 1"
      ),
      (["--landmarks=0"], "--landmarks is 0; at least 1"),
      (["--search", "landmarks", "--landmarks=-3"], "--landmarks is -3; at least 1"),
      (
        ["--search", "landmarks", "--neighbours", "5", "--landmarks", "5"],
        "--landmarks is 5; more than the 5 neighbours are needed"
      ),
      (["--search", "all"], "'all' is invalid for '--search"),
      (["--no-such-option"], "Unknown option '--no-such-option'"),
      (["more.star"], "Unexpected argument 'more.star'"),
      (
        ["--search", "vdm", "--neighbours", "6", "--vdm-neighbours", "5"],
        "--vdm-neighbours is 5, fewer than the 6 neighbours"
      ),
      (["--search", "vdm", "--vdm-graph", "vdm"], "'vdm' is invalid for '--vdm-graph"),
      (["--search", "vdm", "--vdm-eigenvectors=0"], "--vdm-eigenvectors is 0"),
      (["--search", "vdm", "--vdm-time=-1"], "--vdm-time is -1"),
      (["--search", "vdm", "--vdm-frequencies=0"], "--vdm-frequencies is 0"),
      // Nothing is left above so much noise.
      (["--noise-variance", "1e6"], "no signal to compare images by"),
    ]

    @Test(arguments: mistakes) func areRefused(mistake: ([String], String)) throws {
      try expectRefusal(mistake, ranks: nil)
    }

    /// One message for all ranks, wherever the mistake is found: by the parser, before and after the
    /// images are read.
    @Test(arguments: [mistakes[2], mistakes[0], mistakes[11], mistakes.last!])
    func areRefusedOnce(mistake: ([String], String)) throws {
      try expectRefusal(mistake, ranks: 2)
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
