import Foundation
import LinearAlgebra
import MPI

/// What the probability of a neighbour is computed from: how alike the clean images of a pair should be by
/// the posteriors of their classes, how uncertain those are, and two figures of the run that tell how far
/// its classes have fitted noise.
struct NeighbourFeatures {
  /// What is known of a pair.
  struct Pair {
    /// The expected Pearson correlation of the two clean images, aligned as found.
    var correlation: Double
    /// The posterior variance of a class over the energy of its mean, the geometric mean of both classes.
    var error: Double
  }

  /// What all pairs of a run share.
  struct Run {
    /// The energy of the classes' means, less the mean image, over what the prior and their posterior
    /// variance leave for it: 1 where classes are what they should be, more where they hold aligned noise.
    var energyRatio: Double
    /// The mean weight of a neighbour in a class, 0 to 1, of what a sure one weighs.
    var weight: Double
    /// The log odds against a pair before it is compared.
    var priorLogOdds: Double
  }

  let run: Run
  /// n x K of the table, for the images of this rank; nil where there is no neighbour.
  let pairs: [Pair?]
}

/// Computes the features of a table's pairs. The class of an image is the image itself and its neighbours,
/// weighted as in `ClassPasses`.
struct NeighbourFeatureExtraction {
  let model: FittedModel
  let rows: DistributedRows
  let weights: NeighbourWeights
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Images that a rank works on between two exchanges of coefficients: bounds the memory.
  private static let chunk = 256

  /// The features of this rank's images, and of the run. Collective.
  /// - Parameter table: the neighbours, on every rank.
  func features(of table: NeighbourTable) throws -> NeighbourFeatures {
    let energy = ImageEnergy(model.posterior, basis: model.basis)
    let groups = model.groups.groupOfParticle
    let own = rows.partition.range(of: comm.rank)
    let k = table.neighboursPerImage
    let uncertainty = try ClassUncertainty(
      posterior: model.posterior, groups: groups, energy: energy,
      largestWeight: 1 + Double(k) * NeighbourWeights.sureness)
    func weight(_ entry: Int) -> Double {
      table.indices[entry] < 0 ? 0 : weights.weight(ofAffinity: table.affinities[entry])
    }
    let classes = ClassMeans(
      posterior: model.posterior, rows: rows, groups: groups, threads: threads, observer: observer)
    var means: [Float] = []
    means.reserveCapacity(own.count * rows.width)
    try forEachChunk { part in
      means += try classes.means(of: part, table, members: k, weight: weight)
    }
    /// Variance over energy of each class; the energy includes the variance.
    func classWeight(_ image: Int) -> Double {
      (image * k..<(image + 1) * k).reduce(1) { $0 + weight($1) }
    }
    var sums = FixedPointSum(
      count: 3, bound: max(energy.prior * 1e3, Double(k)), terms: groups.count)
    means.withUnsafeBufferPointer { means in
      for (at, image) in own.enumerated() {
        let classWeight = classWeight(image)
        let fluctuation = energy.fluctuation(means.baseAddress! + at * rows.width)
        sums.add([
          min(fluctuation, energy.prior * 1e3),
          energy.prior - uncertainty.variance(weight: classWeight), classWeight - 1,
        ])
      }
    }
    let total = try sums.reduced(over: comm)
    let run = NeighbourFeatures.Run(
      energyRatio: total[0] / max(total[1], energy.prior * 1e-3),
      weight: total[2] / (Double(groups.count * k) * NeighbourWeights.sureness),
      priorLogOdds: weights.priorLogOdds)

    let meanRows = DistributedRows(means, width: rows.width, partition: rows.partition, on: comm)
    var pairs: [NeighbourFeatures.Pair?] = []
    pairs.reserveCapacity(own.count * k)
    try forEachChunk { part in
      var needed = part.map { Int32($0) }
      for image in part {
        needed += table.indices[image * k..<(image + 1) * k].filter { $0 >= 0 }
      }
      let unique = Set(needed).sorted()
      let values = try observer.communicating { try meanRows.fetch(unique) }
      var place: [Int32: Int] = [:]
      for (at, image) in unique.enumerated() { place[image] = at }
      pairs += values.withUnsafeBufferPointer { values in
        let variances = unique.map { uncertainty.variance(weight: classWeight(Int($0))) }
        let energies = unique.indices.map { energy.total(values.baseAddress! + $0 * rows.width) }
        return part.flatMap { image in
          let i = place[Int32(image)]!
          return (image * k..<(image + 1) * k).map { entry -> NeighbourFeatures.Pair? in
            guard let j = place[table.indices[entry]] else { return nil }
            let product = energy.product(
              values.baseAddress! + i * rows.width, values.baseAddress! + j * rows.width,
              rotation: table.rotations[entry], reflected: table.reflected[entry] == 1)
            let norm =
              ((energies[i] + variances[i]) * (energies[j] + variances[j])).squareRoot()
            let error = (variances[i] * variances[j] / (energies[i] * energies[j])).squareRoot()
            return .init(correlation: product / norm, error: error)
          }
        }
      }
    }
    return NeighbourFeatures(run: run, pairs: pairs)
  }

  /// Calls `body` with stretches of this rank's images, the same number of times on every rank.
  private func forEachChunk(_ body: (Range<Int>) throws -> Void) throws {
    let own = rows.partition.range(of: comm.rank)
    let longest = rows.partition.range(of: 0).count
    for offset in stride(from: 0, to: longest, by: Self.chunk) {
      let start = min(own.lowerBound + offset, own.upperBound)
      try body(start..<min(start + Self.chunk, own.upperBound))
    }
  }
}
