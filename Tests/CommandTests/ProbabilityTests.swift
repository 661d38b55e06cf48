import Foundation
import ParticleIO
import TestSupport
import Testing

extension CommandTests {
  /// Probabilities of neighbours against the truth of simulations, and lists cut by them.
  @Suite struct ProbabilityTests {
    private func probabilities(_ folder: TemporaryFolder, _ run: String) throws -> [Float] {
      try NPY.read(Float.self, from: folder.file("\(run)/probability.npy")).values
    }

    private func evaluation(_ folder: TemporaryFolder, _ run: String) throws -> [String: Any] {
      let found = try Command.run([
        "evaluate", folder.file(run), "--truth", folder.file("set"), "--json",
      ])
      #expect(found.status == 0, "\(found.text)")
      let json = try JSONSerialization.jsonObject(with: Data(found.output.utf8))
      return try #require(json as? [String: Any])
    }

    /// With and without passes, the probabilities follow what is true without being told the SNR.
    @Test func followTheTruth() throws {
      for (snr, options) in [("1/5", []), ("1/30", ["--passes", "1"]), ("1/60", [])] {
        let folder = try SmallSet.make(["--snr", snr], images: 1200)
        #expect(try average(folder, to: "run", options, suspects: nil).status == 0)
        let summary = try evaluation(folder, "run")
        let pairs = try #require(summary["pairs"] as? Double)
        let share = try #require(summary["above_0.9"] as? Double) / pairs
        let bins = try #require(summary["reliability"] as? [[String: Any]])
        let counts = bins.compactMap { $0["pairs"] as? Double }
        let means = bins.compactMap { $0["mean_probability"] as? Double }
        #expect(counts.reduce(0, +) == pairs && means.count == bins.count)
        let mean = zip(counts, means).reduce(0) { $0 + $1.0 * $1.1 } / pairs
        #expect(abs(mean - share) < 0.06, "SNR \(snr): \(mean) for \(share)")
      }
    }

    @Test func autoKeepsWhatIsConfident() throws {
      let folder = try SmallSet.make(["--snr", "1/10"], images: 1200)
      func run(_ output: String, _ options: [String], ranks: Int? = nil) throws -> Command {
        try Command.run(
          ["average", folder.file("set/particles.star"), "--output", folder.file(output)] + options,
          ranks: ranks)
      }
      #expect(try run("all", ["--neighbours", "auto", "--confidence", "0"]).status == 0)
      let all = try RunOutput(folder, "all")
      let every = try probabilities(folder, "all")
      // A hundredth of the images, and no fewer than ten.
      #expect(all.shapes[0] == [1200, 12] && all.neighbours.allSatisfy { $0 >= 0 })
      #expect(every.allSatisfy { $0 >= 0 && $0 <= 1 })

      // In the middle of what there is, so that some are cut, and between two probabilities.
      let sorted = every.sorted()
      let above = try #require(sorted.firstIndex { $0 > sorted[every.count / 2] })
      let level = (Double(sorted[above - 1]) + Double(sorted[above])) / 2
      let cut = ["--neighbours", "auto", "--confidence", "\(level)", "--pair-features"]
      for ranks in 1...4 {
        let command = try run("\(ranks)", cut, ranks: ranks)
        #expect(command.status == 0, "\(command.text)")
        let found = try RunOutput(folder, "\(ranks)")
        let kept = try probabilities(folder, "\(ranks)")
        for image in 0..<1200 {
          let entries = image * 12..<image * 12 + 12
          let expected = entries.filter { Double(every[$0]) >= level }
          let list = Array(found.neighbours[entries])
          #expect(
            list == expected.map { all.neighbours[$0] }
              + [Int32](repeating: -1, count: 12 - expected.count))
          #expect(Array(kept[entries].prefix(expected.count)) == expected.map { every[$0] })
          let rest = kept[entries].dropFirst(expected.count)
          #expect(rest.allSatisfy { $0.isNaN })
        }
        // What the probabilities are computed from has the holes that they have.
        let features = try NPY.read(
          Float.self, from: folder.file("\(ranks)/pair-features.npy"))
        let width = try #require(features.shape.last)
        #expect(features.shape == [1200, 12, width] && width > 1)
        #expect(
          kept.indices.allSatisfy { entry in
            features.values[entry * width..<(entry + 1) * width].allSatisfy {
              $0.isNaN == kept[entry].isNaN
            }
          })
      }
      #expect(try RunOutput.record(folder, "1")["options"] is [String: Any])
    }

    @Test func searchesWithoutCalibrationWriteNone() throws {
      let folder = try SmallSet.make(images: 60)
      for (run, options) in [
        ("rir", ["--search", "rir"]), ("landmarks", ["--search", "landmarks"]),
        ("mahalanobis", ["--affinity", "mahalanobis"]),
      ] {
        #expect(try average(folder, to: run, options).status == 0)
        #expect(!folder.names(in: run).contains("probability.npy"))
      }
    }
  }
}
