import Foundation
import LinearAlgebra
import MPI

/// Gives landmarks better classes: the sample's classes have members of the sample only; once all images
/// have been compared with them, the members are the best of all images, closer to the landmark the more
/// images there are.
struct LandmarkRefinement {
  let posterior: PosteriorModel
  let rows: DistributedRows
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  /// How classes are weighed: passes among all images.
  let passes: ClassPasses
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Landmarks whose members are fetched at a time.
  private static let chunk = 256

  /// Collective.
  /// - Parameter found: the classes' comparison with all images.
  /// - Throws: `LAPACKError`, `MPIError`.
  func run(_ classes: LandmarkClasses, _ found: BestLandmarks) throws -> LandmarkClasses {
    let members = try observer.communicating {
      try found.transposed(landmarks: classes.images.count, limit: passes.members, on: comm)
    }
    let partition = Partition(of: classes.images.count, among: comm.size)
    let own = partition.range(of: comm.rank)
    let model = try classes.pairModel(posterior)
    var means: [Float] = []
    means.reserveCapacity(own.count * rows.width)
    var weights: [Double] = []
    for start in stride(from: 0, to: partition.range(of: 0).count, by: Self.chunk) {
      let part = min(start, own.count)..<min(start + Self.chunk, own.count)
      let made = try classMeans(of: part, first: own.lowerBound, classes, members, model)
      means += made.means
      weights += made.weights
    }
    // One after the other in the landmarks' order, whatever the ranks.
    let total = try comm.allgatherRagged(weights).reduce(0, +)
    let common = passes.information(weight: 1 + total / Double(classes.images.count))
    for at in 0..<own.count { passes.restate(&means, row: at, under: common) }
    return LandmarkClasses(
      images: classes.images, statistics: try comm.allgatherRagged(means), information: common,
      correlation: classes.correlation)
  }

  /// alpha of the classes of some of this rank's landmarks, and their members' weights in all. Collective.
  private func classMeans(
    of part: Range<Int>, first: Int, _ classes: LandmarkClasses, _ members: BestCandidates,
    _ model: PairModel
  ) throws -> (means: [Float], weights: [Double]) {
    let width = rows.width
    let candidates = members.indices[
      part.lowerBound * members.capacity..<part.upperBound * members.capacity]
    let landmarks = classes.images[first + part.lowerBound..<first + part.upperBound]
    let needed = Set(candidates.filter { $0 >= 0 } + landmarks).sorted()
    let values = try observer.communicating { try rows.fetch(needed) }
    var place: [Int32: Int] = [:]
    for (at, image) in needed.enumerated() { place[image] = at }
    var means = [Float](repeating: 0, count: part.count * width)
    var weights = [Double](repeating: 0, count: part.count)
    let neighbourWeights = NeighbourWeights(passes)
    let failures = FailureBox()
    values.withUnsafeBufferPointer { values in
      classes.statistics.withUnsafeBufferPointer { statistics in
        means.withUnsafeMutableBufferPointer { means in
          weights.withUnsafeMutableBufferPointer { weights in
            nonisolated(unsafe) let (means, weights) = (means, weights)
            parallelFor(
              part.count, threads: threads,
              state: { Box((ClassPosterior(posterior), LandmarkAlignment(model))) }
            ) { state, at in
              let landmark = part.lowerBound + at
              let image = classes.images[first + landmark]
              state.value.0.clear()
              state.value.0.add(
                values.baseAddress! + place[image]! * width, group: Int(groups[Int(image)]),
                rotation: 0, reflected: false)
              let statistic = statistics.baseAddress! + (first + landmark) * width
              for entry in landmark * members.capacity..<(landmark + 1) * members.capacity {
                let member = members.indices[entry]
                if member < 0 { break }
                let b = values.baseAddress! + place[member]! * width
                let group = Int(groups[Int(member)])
                let score = state.value.1.align(b, group: group, to: statistic)
                let weight = neighbourWeights.weight(ofAffinity: score.affinity)
                weights[at] += weight
                state.value.0.add(
                  b, group: group, rotation: score.rotation, reflected: score.reflected == 1,
                  weight: weight)
              }
              do {
                let mean = try state.value.0.mean()
                for i in 0..<width { means[at * width + i] = mean[i] }
              } catch { failures.record(error) }
            }
          }
        }
      }
    }
    try failures.rethrow()
    return (means, weights)
  }
}

/// Aligns single images to landmarks. One instance a thread.
private final class LandmarkAlignment {
  private let model: PairModel
  private let scorer: PairScorer
  private var weighted: [Float]

  init(_ model: PairModel) {
    self.model = model
    scorer = PairScorer(model: model)
    weighted = .init(repeating: 0, count: model.layout.componentCount * 2)
  }

  /// The Bayes factor of a class and an image of group `group` with statistic `b`, and what aligns the image
  /// to the class.
  func align(_ b: UnsafePointer<Float>, group: Int, to statistic: UnsafePointer<Float>) -> PairScore
  {
    let last = model.groupCount - 1
    model.weighted(statistic, groups: last, group, into: &weighted)
    scorer.add(
      weighted: weighted, second: b,
      offset: model.constants[last * model.groupCount + group]
        + model.selfTerm(of: statistic, groups: last, group)
        + model.selfTerm(of: b, groups: group, last))
    var result = PairScore(affinity: 0, rotation: 0, reflected: 0)
    scorer.flush { _, score in result = score }
    return result
  }
}
