import Foundation
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct CandidateScoringRanks {
  private let images = 41
  private let candidateCount = 6

  private struct Setting {
    let posterior: PosteriorModel
    let statistics: [[Float]]
    let groups: [Int32]

    /// The scoring on a communicator, whose ranks hold their slices.
    func scoring(_ affinity: Affinity, threads: Int, on comm: Communicator) throws
      -> CandidateScoring
    {
      let rows = try distributed(statistics, layout: posterior.layout, on: comm)
      return CandidateScoring(
        model: try PairModel(posterior, affinity: affinity), rows: rows, groups: groups,
        threads: threads, comm: comm, observer: SilentObserver())
    }
  }

  private func setting(on comm: Communicator) throws -> Setting {
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: comm)
    return Setting(
      posterior: posterior,
      statistics: try relatedStatistics(posterior, count: images, distinct: 6, seed: 2),
      groups: (0..<images).map { Int32($0 % 3) })
  }

  /// Candidates of each image; some are mutual, and some lists have fewer than they are long.
  private func candidates(of image: Int) -> [Int32] {
    let lists = [6, 13, 18, 25, 35, 28].map { Int32((image + $0) % images) }
    return image % 10 == 3 ? lists.dropLast(2) + [-1, -1] : lists
  }

  @Test(
    "Neighbours are those of brute force, at any number of ranks and threads",
    arguments: Affinity.allCases)
  func agreesWithBruteForce(affinity: Affinity) throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    let k = 4
    let scoring = try setting.scoring(affinity, threads: 2, on: world)
    let own = scoring.rows.partition.range(of: world.rank)
    let table = try scoring.neighbours(
      of: own.map { Int32($0) }, candidates: own.flatMap(candidates(of:)), neighboursPerImage: k)
    #expect(table.count == images)

    // A pair counts for both of its images, whichever proposed the other.
    for image in 0..<images {
      let partners = (0..<images).filter {
        $0 != image
          && (candidates(of: image).contains(Int32($0))
            || candidates(of: $0).contains(Int32(image)))
      }
      let scored = partners.map { other -> (Int, PairScore) in
        let (first, second) = (min(image, other), max(image, other))
        let pair = score(
          scoring.model, setting.statistics[first], first % 3, setting.statistics[second],
          second % 3)
        return (other, pair)
      }.sorted { ($1.1.affinity, $0.0) < ($0.1.affinity, $1.0) }
      let entries = image * k..<(image + 1) * k
      #expect(table.indices[entries] == scored.prefix(k).map { Int32($0.0) }[...])
      #expect(table.affinities[entries] == scored.prefix(k).map(\.1.affinity)[...])
    }
    // Each entry's rotation and reflection belong to its affinity, seen from the entry's own image.
    let dense = DenseAffinity(setting.posterior, affinity)
    for entry in 0..<images * k {
      let (i, j) = (entry / k, Int(table.indices[entry]))
      let there = try dense.value(
        setting.statistics[i], i % 3, setting.statistics[j], j % 3,
        angle: Double(table.alignments[entry].rotation),
        reflected: table.alignments[entry].isReflected)
      #expect(abs(there - Double(table.affinities[entry])) < 1e-3, "\(i), \(j)")
    }
    #expect(Set(table.alignments.map(\.isReflected)) == [false, true])

    let alone = try world.split(colour: world.rank, key: 0)
    let lonely = try setting.scoring(affinity, threads: 1, on: alone).neighbours(
      of: (0..<Int32(images)).map { $0 }, candidates: (0..<images).flatMap(candidates(of:)),
      neighboursPerImage: k)
    #expect(lonely.indices == table.indices && lonely.affinities == table.affinities)
    #expect(lonely.alignments == table.alignments)
  }

  @Test("Equal affinities are ordered by index")
  func ties() throws {
    let world = try testWorld()
    var setting = try setting(on: world)
    // Image 0 against copies of one image: ties to the last bit.
    var statistics = setting.statistics
    for copy in 1..<images { statistics[copy] = statistics[7] }
    setting = Setting(
      posterior: setting.posterior, statistics: statistics,
      groups: .init(repeating: 1, count: images))
    let scoring = try setting.scoring(.mahalanobis, threads: 1, on: world)
    let own = scoring.rows.partition.range(of: world.rank)
    let order: [Int32] = [30, 12, 3, 25, 9, 1]
    let table = try scoring.neighbours(
      of: own.map { Int32($0) },
      candidates: own.flatMap { image in
        image == 0 ? order : [Int32](repeating: -1, count: candidateCount)
      }, neighboursPerImage: 4)
    #expect(table.indices[..<4] == [1, 3, 9, 12])
    #expect(Set(table.affinities[..<4]).count == 1)
    // The other way round, and lists that stay short.
    #expect(table.indices[4..<8] == [0, -1, -1, -1] && table.indices[8..<12] == [-1, -1, -1, -1])

    // A single pair for all ranks.
    let single = try scoring.neighbours(
      of: own.map { Int32($0) },
      candidates: own.flatMap { image in
        (0..<candidateCount).map { image == 3 && $0 == 0 ? Int32(7) : -1 }
      }, neighboursPerImage: 1
    )
    #expect(single.indices == (0..<images).map { $0 == 3 ? 7 : $0 == 7 ? 3 : Int32(-1) })
  }

  @Test("More pairs than are scored between two exchanges")
  func severalBatches() throws {
    let world = try testWorld()
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.5, on: world)
    let base = try relatedStatistics(posterior, count: 40, distinct: 8, seed: 2)
    // All 134,940 pairs of 520 images: two batches on one rank, one on each of several.
    let total = 520
    let numbers = randomNumbers(total, seed: 6)
    let setting = Setting(
      posterior: posterior,
      statistics: (0..<total).map { i in base[i % 40].map { $0 * Float(1 + 0.2 * numbers[i]) } },
      groups: (0..<total).map { Int32($0 % 3) })
    let scoring = try setting.scoring(.mahalanobis, threads: 1, on: world)
    let own = scoring.rows.partition.range(of: world.rank)
    let table = try scoring.neighbours(
      of: own.map { Int32($0) },
      candidates: own.flatMap { image in (0..<total).filter { $0 != image }.map { Int32($0) } },
      neighboursPerImage: 2)
    for image in [0, 259, 260, 519] {
      let scores = (0..<total).filter { $0 != image }.map { other -> (Float, Int) in
        let (first, second) = (min(image, other), max(image, other))
        let pair = score(
          scoring.model, setting.statistics[first], first % 3, setting.statistics[second],
          second % 3)
        return (pair.affinity, other)
      }.sorted { ($1.0, $0.1) < ($0.0, $1.1) }
      #expect(table.indices[2 * image..<2 * image + 2] == [Int32(scores[0].1), Int32(scores[1].1)])
      #expect(table.affinities[2 * image] == scores[0].0)
    }
  }

  @Test("The search's own order is kept, and aligned by the affinity's rotation")
  func alignedKeepsTheOrder() throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    func search(on comm: Communicator) throws -> RingSearch {
      let partition = Partition(of: images, among: comm.size)
      let slice = partition.range(of: comm.rank)
      let width = 7
      let values = randomNormals(images * width, seed: 77).map { Float($0) }
      return try RingSearch(
        InvariantFeatures(
          count: slice.count, evenCount: 4, oddCount: 3,
          values: Array(values[slice.lowerBound * width..<slice.upperBound * width])),
        partition: partition, candidateCount: candidateCount, over: comm)
    }
    let k = 3
    let alone = try world.split(colour: world.rank, key: 0)
    let found = try search(on: alone)
    let lonely = try setting.scoring(.mahalanobis, threads: 1, on: alone).aligned(
      found, neighboursPerImage: k)
    let together = try setting.scoring(.mahalanobis, threads: 1, on: world).aligned(
      search(on: world), neighboursPerImage: k
    )
    #expect(together.indices == lonely.indices && together.affinities == lonely.affinities)
    #expect(together.alignments == lonely.alignments)

    let dense = DenseAffinity(setting.posterior, .mahalanobis)
    for image in 0..<images {
      for entry in 0..<k {
        let (at, from) = (image * k + entry, image * candidateCount + entry)
        #expect(lonely.indices[at] == found.candidates[from])
        #expect(lonely.affinities[at] == found.scores[from])
        #expect(lonely.alignments[at].isReflected == (found.reflected[from] == 1))
        if image % 5 > 0 { continue }
        let other = Int(lonely.indices[at])
        func affinity(_ angle: Double) throws -> Double {
          try dense.value(
            setting.statistics[image], image % 3, setting.statistics[other], other % 3,
            angle: angle, reflected: found.reflected[from] == 1)
        }
        let best = try affinity(Double(lonely.alignments[at].rotation))
        for step in 0..<120 { #expect(try affinity(Double(step) * .pi / 60) < best + 1e-4) }
      }
    }
  }

  @Test("Rows come from whoever owns them, by shared memory or messages", arguments: [true, false])
  func fetching(sharesNode: Bool) throws {
    let world = try testWorld()
    let partition = Partition(of: 10, among: world.size)
    let rows = try CoefficientStore(
      layout: AngularLayout(frequencies: [1], counts: [1]), partition: partition, on: world,
      sharesNode: sharesNode
    ) { target in
      for (at, image) in partition.range(of: world.rank).enumerated() {
        target[2 * at] = Float(image)
        target[2 * at + 1] = Float(image) + 0.5
      }
    }
    #expect(rows.isSharedByNode == (sharesNode && world.size > 1))
    for wanted in [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [9], [], [Int32(world.rank), 8]] as [[Int32]] {
      let wanted = world.rank % 2 == 1 && wanted == [9] ? [] : wanted
      let fetched = try rows.fetch(wanted)
      #expect(fetched.values(of: wanted) == wanted.flatMap { [Float($0), Float($0) + 0.5] })
      // In any order, as often as one likes.
      let again = wanted.reversed() + wanted
      #expect(fetched.values(of: again) == again.flatMap { [Float($0), Float($0) + 0.5] })
    }
  }
}
