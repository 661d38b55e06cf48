import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct AveragePipelineRanks {
  private let size = 32
  private let kinds = 8
  private let count = 240

  /// Where an image's object is turned to, after its rows were reversed if `isReflected`.
  private struct Pose {
    var kind: Int
    var angle: Double
    var isReflected: Bool
  }

  private var poses: [Pose] {
    let angles = randomNumbers(count, seed: 91)
    return (0..<count).map {
      Pose(kind: $0 % kinds, angle: .pi * angles[$0], isReflected: $0 % 3 == 0)
    }
  }

  /// Four Gaussian blobs whose places depend on the kind.
  private func clean(_ pose: Pose) -> [Float] {
    let places = randomNumbers(8, seed: 300 + UInt64(pose.kind)).map { 8 * $0 }
    let (c, s) = (cos(pose.angle), sin(pose.angle))
    return (0..<size * size).map { pixel in
      let (x, y) = (Double(pixel % size - size / 2), Double(pixel / size - size / 2))
      let u = x * c + y * s
      let v = (-x * s + y * c) * (pose.isReflected ? -1 : 1)
      var sum = 0.0
      for blob in 0..<4 {
        let (a, b) = (u - places[2 * blob], v - places[2 * blob + 1])
        sum += exp(-(a * a + b * b) / 8) * (blob == 3 ? -0.7 : 1)
      }
      return Float(sum)
    }
  }

  private func particles(in folder: TemporaryFolder, on comm: Communicator) throws -> ParticleSet {
    let ctfs = (0..<count).map { testCTF(defocus: 8000 + 2500 * Double($0 / 8 % 3)) }
    let noise = randomNormals(count * size * size, seed: 17)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    let images = poses.enumerated().map { image, pose -> [Float] in
      for (i, value) in clean(pose).enumerated() { weighting.image[i] = 5 * value }
      weighting.apply(ctfs[image], optics: testOptics)
      return (0..<size * size).map {
        weighting.image[$0] + Float(noise[image * size * size + $0])
      }
    }
    return try writeStack(images, size: size, ctfs: ctfs, in: folder, on: comm)
  }

  private func run(
    _ set: ParticleSet, search: SearchMethod = .auto, affinity: Affinity?, on comm: Communicator
  ) throws -> (table: NeighbourTable, averages: [Float]) {
    var options = AverageOptions()
    (options.neighbours, options.suspects, options.affinity) = (5, 40, affinity)
    options.search = search
    // Three quarters of the images of one kind, whose graphs have two eigenvectors each.
    (options.vdm.neighbours, options.vdm.eigenvectors) = (22, 2 * kinds)
    options.model.radius = 14
    options.features.evenCount = 30
    options.features.oddCount = 20
    options.features.sketchSize = 60
    let pipeline = AveragePipeline(options: options, on: comm, observer: SilentObserver())
    let found = try pipeline.findNeighbours(set)
    let averages = CollectedImages(pixels: size * size, on: comm)
    _ = try pipeline.average(found, count: count, into: averages)
    return (found.table, averages.all)
  }

  @Test(
    "Neighbours show the same object, turned as they say, and averages show it without noise",
    arguments: [
      (.auto, .mahalanobis), (.auto, .bayes), (.auto, nil), (.vdm, .mahalanobis), (.vdm, nil),
    ] as [(SearchMethod, Affinity?)])
  func findsAndAlignsNeighbours(search: SearchMethod, affinity: Affinity?) throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let set = try particles(in: folder, on: world)
    let (table, averages) = try run(set, search: search, affinity: affinity, on: world)
    let poses = poses
    let k = table.neighboursPerImage
    #expect(table.count == count && k == 5)
    var (sameKind, aligned, flags) = (0, 0, 0)
    for image in 0..<count {
      let own = table.indices[image * k..<(image + 1) * k]
      #expect(Set(own).count == k && !own.contains(Int32(image)))
      for entry in image * k..<(image + 1) * k {
        let (a, b) = (poses[image], poses[Int(table.indices[entry])])
        if a.kind != b.kind { continue }
        sameKind += 1
        let isReflected = a.isReflected != b.isReflected
        if table.alignments[entry].isReflected != isReflected { continue }
        flags += 1
        // R(a) R(-b), or R(a) S R(-b) = R(a + b) S.
        let truth = isReflected ? a.angle + b.angle : a.angle - b.angle
        let error = remainder(Double(table.alignments[entry].rotation) - truth, 2 * .pi)
        if abs(error) < 0.12 { aligned += 1 }
      }
    }
    #expect(sameKind > count * k * 97 / 100)
    #expect(flags > sameKind * 98 / 100)
    #expect(aligned > flags * 97 / 100)

    if world.isRoot {
      #expect(averages.count == count * size * size)
      let correlations = poses.enumerated().map { image, pose -> Double in
        let truth = clean(pose).map(Double.init)
        let mine = averages[image * size * size..<(image + 1) * size * size].map(Double.init)
        let n = Double(truth.count)
        let (a, b) = (truth.reduce(0, +) / n, mine.reduce(0, +) / n)
        var (product, squares) = (0.0, SIMD2<Double>.zero)
        for (x, y) in zip(truth, mine) {
          product += (x - a) * (y - b)
          squares += SIMD2((x - a) * (x - a), (y - b) * (y - b))
        }
        return product / (squares.x * squares.y).squareRoot()
      }.sorted()
      #expect(correlations[count / 2] > 0.93)
    }
    try world.barrier()
  }

  @Test("Neighbours and averages are the same at any number of ranks")
  func rankInvariance() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let folder = try TemporaryFolder()
    let set = try particles(in: folder, on: world)
    let lonely = try run(set, affinity: .mahalanobis, on: alone)
    let together = try run(set, affinity: .mahalanobis, on: world)
    // The distributed factorisation changes the features' last bits, hence a suspect now and then.
    let equal = lonely.table.indices.indices.filter {
      lonely.table.indices[$0] == together.table.indices[$0]
        && lonely.table.alignments[$0].isReflected == together.table.alignments[$0].isReflected
    }
    #expect(equal.count >= lonely.table.indices.count - 1)
    for entry in equal {
      #expect(lonely.table.affinities[entry] == together.table.affinities[entry])
    }
    if world.isRoot {
      let differing = zip(lonely.averages, together.averages).count { abs($0 - $1) > 1e-4 }
      #expect(differing <= 2 * size * size)
    }
    try world.barrier()
  }

  /// Images of particles in the middle, of which it is said that they are not.
  @Test("Particles that lie elsewhere than they are said to are found, by all and by their classes")
  func centring() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let numbers = randomNormals(2 * count, seed: 77).map { Float($0) }
    let said = (0..<count).map { SIMD2(numbers[2 * $0], numbers[2 * $0 + 1]) }
    let set = try particles(in: folder, on: world).displaced(by: said)
    var options = AverageOptions()
    (options.neighbours, options.model.radius) = (5, 14)
    let pipeline = AveragePipeline(options: options, on: world, observer: SilentObserver())
    let found = try pipeline.findNeighbours(set)
    let survey = found.model.survey
    func rootMeanSquare(_ places: [SIMD2<Float>]) -> Double {
      let sum = places.reduce(0.0) { $0 + Double(($1 * $1).sum()) }
      return (sum / Double(2 * places.count)).squareRoot()
    }
    #expect(survey.centring.rounds > 0 && abs(survey.centring.scatter - 1) < 0.4)
    let error = rootMeanSquare(survey.particles.particles.map(\.displacement))
    #expect(error < 0.6 * rootMeanSquare(said), "\(error)")
    let k = found.table.neighboursPerImage
    let sameKind = found.table.indices.indices.count {
      poses[$0 / k].kind == poses[Int(found.table.indices[$0])].kind
    }
    #expect(sameKind > found.table.indices.count * 9 / 10, "\(sameKind)")
    // What simulated images tell of probabilities does not hold.
    #expect(found.table.probabilities.isEmpty)
    try world.barrier()
  }
}
