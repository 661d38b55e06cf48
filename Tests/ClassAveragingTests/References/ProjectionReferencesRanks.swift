import Foundation
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel
@testable import Volumes

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ProjectionReferencesRanks {
  private let small = SmallModel(seed: 31)
  private let count = 240
  private let members = 6
  private let seed: UInt64 = 5
  private var groups: [Int32] { (0..<count).map { Int32($0 % 3) } }

  private struct Setting {
    let projections: ProjectionReferences
    /// Every image belongs to one class: it tells nothing.
    let classes: CandidateProposal
    /// Random neighbours, which make classes of nothing.
    let table: NeighbourTable
  }

  /// Projections of a random volume, image i in the orientation of number i.
  private func setting(threads: Int, on comm: Communicator) throws -> Setting {
    let variance = 0.05
    let estimate = try small.estimate(on: comm)
    let particle = try VolumeEstimate(
      like: estimate, basis: small.basis, seed: seed, threads: threads, on: comm,
      observer: SilentObserver(), classAverages: { [] })
    let partition = Partition(of: count, among: comm.size)
    let own = partition.range(of: comm.rank)
    let images = try SimulatedImages(
      of: particle, mean: estimate.mean, model: small.image, noiseVariance: variance,
      groups: groups, own: own, seed: seed, threads: threads, observer: SilentObserver())
    let posterior = try small.posterior(noiseVariance: variance, on: comm)
    let rows = try CoefficientStore(
      posterior.sufficientStatistics(of: images.statistics, groups: groups[own]),
      partition: partition, on: comm)
    let source = ImageClasses(
      images: ImageSet(posterior: posterior, rows: rows, groups: groups),
      rule: ClassRule(members: members, evidence: .coAssignment),
      context: RunContext(comm: comm, threads: threads, observer: SilentObserver()))
    var table = NeighbourTable(count: count, neighboursPerImage: members)
    for image in 0..<count {
      for entry in 0..<members {
        table.indices[image * members + entry] = Int32((image + 1 + 37 * entry) % count)
        table.affinities[image * members + entry] = -20
      }
    }
    var one = BestReferences(images: own, capacity: 1)
    for image in own {
      (one.references[image - own.lowerBound], one.scores[image - own.lowerBound]) = (0, 0)
    }
    return Setting(
      projections: ProjectionReferences(
        source: source, checkpoints: nil, volume: particle.simulated, radial: particle.radial,
        count: 400, seed: 99, projectionsPerImage: 20),
      classes: try CoAssignedNeighbours(source: source).proposal(
        sharing: one, temperature: 1, references: 1, count: members),
      table: table)
  }

  /// Of the views of two orientations, those from the opposite side being mirror images.
  private func cosine(_ a: RandomOrientation, _ b: RandomOrientation) -> Float {
    func normal(_ o: RandomOrientation) -> SIMD3<Float> {
      let (u, v) = (o.first, o.second)
      return [u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x]
    }
    return abs((normal(a) * normal(b)).sum())
  }

  private func median(_ values: [Float]) -> Float { values.sorted()[values.count / 2] }

  @Test("An image's best slice shows its view")
  func bestSlices() throws {
    let comm = try testWorld().split(colour: testWorld().rank, key: 0)
    let projections = try setting(threads: 2, on: comm).projections
    let best = try ReferenceComparison(
      classes: projections.references(), posterior: projections.source.posterior,
      rows: projections.source.rows,
      groups: groups, capacity: 3, threads: 2, comm: comm, observer: SilentObserver()
    ).run()
    let cosines = best.images.map { image in
      let projection = Int(best.references[best.entries(of: image).lowerBound])
      return cosine(
        RandomOrientation(image: image, seed: seed), RandomOrientation(image: projection, seed: 99))
    }
    // The nearest of 400 is some 3 degrees away; of random ones half are within 0.5.
    #expect(median(cosines) > 0.97, "\(median(cosines))")
  }

  @Test("Neighbours by slices show the same view, the same on any number of ranks and threads")
  func neighbours() throws {
    let world = try testWorld()
    func table(threads: Int, on comm: Communicator) throws -> NeighbourTable {
      let setting = try setting(threads: threads, on: comm)
      return try setting.projections.run(setting.table, sharing: setting.classes)
    }
    let together = try table(threads: 2, on: world)
    let cosines = together.indices.indices.map { entry in
      cosine(
        RandomOrientation(image: entry / members, seed: seed),
        RandomOrientation(image: Int(together.indices[entry]), seed: seed))
    }
    #expect(median(cosines) > 0.95, "\(median(cosines))")
    let alone = try table(threads: 1, on: world.split(colour: world.rank, key: 0))
    #expect(together.indices == alone.indices && together.affinities == alone.affinities)
    #expect(together.alignments == alone.alignments)
  }

  @Test("Landmarks of two kinds have to agree")
  func kindsAgree() throws {
    let world = try testWorld()
    let source = try setting(threads: 2, on: world).projections.source
    let own = source.rows.partition.range(of: world.rank)
    func kind(_ references: Int, _ reference: (Int) -> Int) throws -> CandidateProposal {
      var best = BestReferences(images: own, capacity: 1)
      for image in own {
        best.references[image - own.lowerBound] = Int32(reference(image))
        best.scores[image - own.lowerBound] = 0
      }
      return try CoAssignedNeighbours(source: source).proposal(
        sharing: best, temperature: 1, references: references, count: members)
    }
    // Images i and j share one kind where they are equal modulo 20, the other modulo 30, both modulo 60.
    let kinds = [try kind(20) { $0 % 20 }, try kind(30) { $0 % 30 }]
    let found = try CoAssignedNeighbours(source: source).aligned(
      kinds, setting(threads: 1, on: world).table, parts: nil)
    let (both, first, second): (Double, Double, Double) = (
      log(20.1) + log(30.1), log(20.1) + log(0.1), log(0.1) + log(30.1)
    )
    for image in 0..<count {
      for entry in image * members..<(image + 1) * members {
        let apart = abs(Int(found.indices[entry]) - image)
        let expected = apart % 60 == 0 ? both : apart % 30 == 0 ? second : first
        #expect(apart % 20 == 0 || apart % 30 == 0)
        #expect(abs(Double(found.affinities[entry]) - expected) < 1e-4)
        // Of 240 images 3 others are equal modulo 60: they come first.
        #expect((apart % 60 == 0) == (entry - image * members < 3))
      }
    }
  }
}
