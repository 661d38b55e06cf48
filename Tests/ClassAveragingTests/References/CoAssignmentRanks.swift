import Foundation
import ImageModel
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution

@Suite(.serialized, .timeLimit(.minutes(2)))
struct CoAssignmentRanks {
  @Test("The class that a member is compared with is the sum of the other members")
  func withoutItself() throws {
    let world = try testWorld()
    let (count, size) = (29, 5)
    let setting = try ReferenceSetting(images: count, distinct: 4, noiseVariance: 1, on: world)
    // One group and one weight for all: then the statistic of a class is the sum of its members'.
    let groups = [Int32](repeating: 0, count: count)
    let rows = try distributed(setting.statistics, layout: setting.posterior.layout, on: world)
    let source = ImageClasses(
      images: ImageSet(posterior: setting.posterior, rows: rows, groups: groups),
      rule: ClassRule(members: size),
      context: RunContext(comm: world, threads: 2, observer: SilentObserver()))
    let references = ReferenceClasses.draw(11, of: count, seed: 1)
    let own = Partition(of: references.count, among: world.size).range(of: world.rank)
    let angles = randomNumbers(count, seed: 9)
    let members = ReferenceMembers(
      references: own,
      lists: own.map { reference in
        (0..<size).map {
          let image = (Int(references[reference]) + $0 * 6) % count
          return .init(
            image: Int32(image), weight: 0.5,
            alignment: Alignment(
              rotation: Float(3 * angles[image]), isReflected: image % 3 == 1))
        }
      })
    let work = ReferenceWork(source: source, rows: rows)
    let classes = try work.classes(of: members, images: references, correlation: 0.9)
    let images = members.lists.map { $0.map(\.image) + [0] }
    let found = try work.scores(of: images, with: classes, references: own, without: members)

    let real = RealCoordinates(setting.posterior.layout)
    let model = try classes.pairModel(setting.posterior)
    for (at, list) in members.lists.enumerated() {
      for (place, image) in images[at].enumerated() {
        var sum = [Double](repeating: 0, count: real.dimension)
        for member in list where member.image != image {
          let turn = real.matrix(member.alignment)
          let turned = turn.times(real.vector(setting.statistics[Int(member.image)]))
          for i in sum.indices { sum[i] += member.weight * turned[i] }
        }
        let expected = score(
          model, real.pairs(sum), model.groupCount - 1, setting.statistics[Int(image)], 0)
        let difference = (found[at][place].affinity - expected.affinity).magnitude
        #expect(difference < 1e-3 * (1 + expected.affinity.magnitude))
        #expect(
          found[at][place].alignment.isReflected == expected.alignment.isReflected)
      }
    }
  }

  @Test("Scores of members take the place of those that count them in, wherever the landmark is")
  func replaced() throws {
    let world = try testWorld()
    let (count, references, capacity) = (31, 7, 4)
    let partition = Partition(of: count, among: world.size)
    let numbers = randomNumbers(count * capacity + references * count, seed: 4).map { Float($0) }
    var best = BestReferences(images: partition.range(of: world.rank), capacity: capacity)
    func listed(_ image: Int) -> [(Int32, Float)] {
      (0..<(image % 5 == 0 ? 2 : capacity)).map {
        (Int32((image + 2 * $0) % references), numbers[image * capacity + $0])
      }
    }
    func isMember(_ image: Int, _ reference: Int) -> Bool { (image * 5 + reference) % 6 == 0 }
    func own(_ image: Int, _ reference: Int) -> Float {
      numbers[count * capacity + reference * count + image] - 0.5
    }
    for image in best.images {
      for (entry, (reference, score)) in zip(best.entries(of: image), listed(image)) {
        (best.references[entry], best.scores[entry]) = (reference, score)
      }
    }
    let range = Partition(of: references, among: world.size).range(of: world.rank)
    let members = range.map { reference in (0..<count).filter { isMember($0, reference) } }
    let found = try best.replacing(
      zip(range, members).map { reference, images in
        images.map { PairScore(affinity: own($0, reference), alignment: .identity) }
      },
      of: ReferenceMembers(
        references: range,
        lists: members.map { $0.map { .init(image: Int32($0), weight: 1) } }),
      partition: partition, on: world
    ).prefix(3)
    #expect(found.capacity == 3)
    for image in found.images {
      var expected = listed(image).filter { !isMember(image, Int($0.0)) }
      for reference in 0..<references where isMember(image, reference) {
        expected.append((Int32(reference), own(image, reference)))
      }
      expected.sort { $0.1 > $1.1 }
      let entries = found.entries(of: image)
      #expect(found.references[entries].filter { $0 >= 0 }[...] == expected.prefix(3).map(\.0)[...])
      #expect(
        found.scores[entries].filter { $0 > -.infinity }[...] == expected.prefix(3).map(\.1)[...])
    }
  }

  @Test(
    "What two images share is the sum of the products of their probabilities, times the landmarks")
  func sums() throws {
    let world = try testWorld()
    let (count, references, capacity) = (23, 9, 5)
    let partition = Partition(of: count, among: world.size)
    let numbers = randomNumbers(count * capacity, seed: 6).map { Float($0) }
    func probability(_ image: Int, _ reference: Int) -> Float {
      let place = (reference - image % references + references) % references
      return place < capacity ? 0.01 + abs(numbers[image * capacity + place]) : 0
    }
    var best = BestReferences(images: partition.range(of: world.rank), capacity: capacity)
    for image in best.images {
      for (place, entry) in best.entries(of: image).enumerated() {
        let reference = (image + place) % references
        (best.references[entry], best.scores[entry]) = (
          Int32(reference), probability(image, reference)
        )
      }
    }
    func proposal(_ best: BestReferences) throws -> CandidateProposal {
      try CandidateProposal(
        sharing: best, references: references, longest: count, count: count, images: count,
        threads: 2, on: world)
    }
    /// R s of two images, in which those of one kind have their probabilities to the power `power`.
    func sum(_ image: Int, _ other: Int, power: Float) -> Float {
      (0..<references).reduce(Float(0)) {
        $0 + Float(references) * pow(probability(image, $1) * probability(other, $1), power)
      }
    }
    var squared = best
    for entry in squared.scores.indices { squared.scores[entry] *= squared.scores[entry] }
    let kept = 4
    let united = CandidateProposal(
      uniting: [try proposal(best), try proposal(squared)], count: count)
    // Asked for twice: nothing is left of the first time.
    _ = united.ordered(of: best.images, keeping: kept) { $0.reduce(0, +) }
    let found = united.ordered(of: best.images, keeping: kept) { sums in
      sums[sums.startIndex] - 0.5 * sums[sums.startIndex + 1]
    }
    for (at, image) in best.images.enumerated() {
      let expected = (0..<count).filter { $0 != image && sum(image, $0, power: 1) > 0 }
        .map { ($0, sum(image, $0, power: 1) - 0.5 * sum(image, $0, power: 2)) }
        .sorted { $0.1 > $1.1 }.prefix(kept)
      let entries = at * kept..<(at + 1) * kept
      #expect(found.candidates[entries] == expected.map { Int32($0.0) }[...])
      for (a, b) in zip(found.affinities[entries], expected) { #expect(abs(a - b.1) < 1e-4) }
    }
  }

  @Test("Rounds of shared landmarks find more than the passes, the same on any number of ranks")
  func finds() throws {
    let world = try testWorld()
    let (count, distinct, k) = (300, 25, 8)
    let setting = try ReferenceSetting(
      images: count, distinct: distinct, noiseVariance: 0.35, on: world)
    func table(rounds: Int, threads: Int, on comm: Communicator) throws -> NeighbourTable {
      try setting.search(
        references: 100, candidates: 40, neighbours: k, limit: 3, threads: threads, on: comm,
        rounds: rounds, shared: count)
    }
    let passed = setting.share(try table(rounds: 0, threads: 1, on: world), distinct: distinct)
    let together = try table(rounds: 3, threads: 2, on: world)
    let shared = setting.share(together, distinct: distinct)
    #expect(shared > passed + 0.02, "\(passed), \(shared)")
    for image in 0..<count {
      let affinities = together.affinities[image * k..<(image + 1) * k]
      #expect(zip(affinities, affinities.dropFirst()).allSatisfy { $0 >= $1 })
    }
    let alone = try table(
      rounds: 3, threads: 1, on: world.split(colour: world.rank, key: 0))
    #expect(together.indices == alone.indices && together.affinities == alone.affinities)
    #expect(together.alignments == alone.alignments)
  }
}
