import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Class-posterior passes on images so noisy that single images compare badly.
  @Suite struct PassesTests {
    /// The share of neighbours whose viewing directions are less than 10 degrees apart.
    private func share(_ folder: TemporaryFolder, _ run: String) throws -> Double {
      let evaluation = try Command.run([
        "evaluate", folder.file(run), "--truth", folder.file("set"), "--json",
      ])
      let json = try JSONSerialization.jsonObject(with: Data(evaluation.output.utf8))
      return try #require((json as? [String: Any])?["below_10_deg"] as? Double)
    }

    @Test func riseToTheLastPassAndStop() throws {
      let folder = try SmallSet.make(["--snr", "1/10"], images: 1200)
      #expect(try average(folder, to: "auto").status == 0)
      let record = try RunOutput.record(folder, "auto")
      let passes = try #require(record["passes"] as? [[String: Any]])
      let made = passes.count + 1
      var shares: [Double] = []
      for count in 1...made {
        #expect(
          try average(folder, to: "\(count)", ["--passes", String(count)]).status == 0)
        shares.append(try share(folder, "\(count)"))
        let record = try RunOutput.record(folder, "\(count)")
        #expect((record["passes"] as? [Any])?.count == count - 1)
      }
      // Left to themselves, the passes end where they end when that many are asked for.
      let same = try folder.data("auto/neighbours.npy") == folder.data("\(made)/neighbours.npy")
      #expect(same)
      // Each finds as much as the one before it, but for chance.
      #expect(zip(shares, shares.dropFirst()).allSatisfy { $1 > $0 - 0.005 }, "\(shares)")
      // Measured: 0.323, 0.387.
      #expect(shares.last! > shares[0] + 0.03, "\(shares)")

      // They stop by themselves: at the first pass that sees shared members.
      let correlations = passes.compactMap { $0["correlation"] as? Double }
      #expect(passes.count >= 1 && passes.count <= 5)
      #expect(correlations.dropLast().allSatisfy { $0 < 0.97 })
      #expect(passes.count == 5 || correlations.last! >= 0.97)
    }

    @Test func autoTakesLandmarksWhereAllPairsTakeTooLong() throws {
      let folder = try SmallSet.make(images: 40)
      #expect(try average(folder, to: "run", ["--search-budget", "0"]).status == 0)
      #expect(try RunOutput.record(folder, "run")["search"] as? String == "landmarks")
      #expect(
        try average(folder, to: "order", ["--search-budget", "0", "--affinity", "none"]).status == 0
      )
      #expect(try RunOutput.record(folder, "order")["search"] as? String == "rir")
      #expect(try average(folder, to: "all").status == 0)
      #expect(try RunOutput.record(folder, "all")["search"] as? String == "all-pairs")
    }
  }
}
