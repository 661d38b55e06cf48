import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The same files whatever the number of processes that share the work.
  @Suite struct InvarianceTests {
    @Test(arguments: [
      ["--search", "rir", "--affinity", "mahalanobis", "--suspects", "50"],
      ["--search", "all-pairs", "--affinity", "bayes"],
      ["--search", "landmarks", "--landmarks", "150"],
    ])
    func oneToFourProcesses(search: [String]) throws {
      let folder = try SmallSet.make(["--snr", "1/40"], images: 403)
      let (k, pixels) = (10, SmallSet.box * SmallSet.box)
      for ranks in 1...4 {
        let run = try average(
          folder, to: "\(ranks)", search, ranks: ranks, neighbours: k, suspects: nil)
        #expect(run.status == 0, "\(run.text)")
      }
      let first = try RunOutput(folder, "1")
      let averages = try RunOutput.stack(folder.file("1/averages.mrcs")).pixels
      for ranks in 2...4 {
        for name in ["mean.mrc", "eigenimages.mrcs"] {
          let same = try folder.data("\(ranks)/\(name)") == folder.data("1/\(name)")
          #expect(same, "\(name) on \(ranks) ranks")
        }
        let other = try RunOutput(folder, "\(ranks)")
        let same = zip(first.neighbours, other.neighbours).count { $0 == $1 }
        #expect(same * 1000 >= 999 * 403 * k, "\(same) neighbours on \(ranks) ranks")
        let sameReflections = zip(first.reflected, other.reflected).count { $0 == $1 }
        #expect(sameReflections * 1000 >= 999 * 403 * k)

        let entries = first.neighbours.indices.filter {
          first.neighbours[$0] == other.neighbours[$0] && first.reflected[$0] == other.reflected[$0]
        }
        let sameRotations = entries.count {
          abs(remainder(first.rotation[$0] - other.rotation[$0], 360)) < 0.01
        }
        #expect(sameRotations * 1000 >= 999 * 403 * k, "\(sameRotations) rotations")

        let others = try RunOutput.stack(folder.file("\(ranks)/averages.mrcs")).pixels
        var compared = 0
        for image in 0..<403 {
          let entries = image * k..<image * k + k
          guard first.neighbours[entries] == other.neighbours[entries],
            first.reflected[entries] == other.reflected[entries],
            first.rotation[entries] == other.rotation[entries]
          else { continue }
          compared += 1
          let range = image * pixels..<(image + 1) * pixels
          let isSame = averages[range] == others[range]
          #expect(isSame, "average \(image) on \(ranks) ranks")
        }
        // All but those that neighbours, reflections and rotations may change, four each.
        #expect(compared >= 403 - 12, "\(compared) averages on \(ranks) ranks")
      }
    }

    /// All pairs and their passes: the very same lists, on ranks and threads.
    @Test func allPairsToTheLastBit() throws {
      let folder = try SmallSet.make(["--snr", "1/20"], images: 700)
      let runs = [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)]
      for (ranks, threads) in runs {
        let run = try average(
          folder, to: "\(ranks)x\(threads)", ["--threads", String(threads), "--averages", "20"],
          ranks: ranks, suspects: nil)
        #expect(run.status == 0, "\(run.text)")
        for name in ["neighbours", "affinity", "rotation", "reflected"] {
          let same =
            try folder.data("\(ranks)x\(threads)/\(name).npy") == folder.data("1x1/\(name).npy")
          #expect(same, "\(name) on \(ranks) ranks of \(threads) threads")
        }
      }
      #expect((try RunOutput.record(folder, "1x1")["passes"] as? [Any])?.isEmpty == false)
    }

    /// Far more ranks than processors, with two images each.
    @Test(
      .enabled(
        if: Self.availableGiB >= 6, "64 ranks need 4 GiB of memory; less than 6 are available"),
      arguments: [[], ["--search", "landmarks", "--landmarks", "40", "--passes", "2"]])
    func sixtyFourRanks(search: [String]) throws {
      let folder = try SmallSet.make(images: 128)
      for ranks in [1, 64] {
        let run = try average(
          folder, to: "\(ranks)", search + ["--averages", "3"], ranks: ranks, suspects: nil)
        #expect(run.status == 0, "\(run.text)")
      }
      for name in ["neighbours", "affinity", "rotation", "reflected"] {
        let same = try folder.data("64/\(name).npy") == folder.data("1/\(name).npy")
        #expect(same, "\(name) on 64 ranks")
      }
      #expect(try RunOutput.record(folder, "64")["ranks"] as? Int == 64)
    }

    /// Memory that programs may still take, as the system says; 0 where it does not.
    private static var availableGiB: Int {
      let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
      return text.firstMatch(of: /MemAvailable: +([0-9]+) kB/).flatMap { Int($0.1) }.map {
        $0 >> 20
      }
        ?? 0
    }

    /// Simulated stacks are tested in `SimulateCommandTests`; here the estimates of every particle.
    @Test func denoisedImages() throws {
      let folder = try SmallSet.make(images: 50)
      for ranks in 1...4 {
        let run = try Command.run(
          ["denoise", folder.file("set/particles.star"), "--output", folder.file("\(ranks)")],
          ranks: ranks)
        #expect(run.status == 0, "\(run.text)")
        let same = try folder.data("\(ranks)/denoised.mrcs") == folder.data("1/denoised.mrcs")
        #expect(same, "denoised.mrcs on \(ranks) ranks")
      }
    }
  }
}
