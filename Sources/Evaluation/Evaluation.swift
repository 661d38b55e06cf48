import Execution
import Foundation
import MPI
import ParticleIO

/// The paper's measures of a run on a simulated set (Bhamre, Zhao, Singer, arXiv 1611.03193: table 1
/// and figure 3), against the truth.
public struct Evaluation {
  /// The folder of the run: `neighbours.npy`, `reflected.npy`, `rotation.npy` and, unless the run
  /// wrote none, `averages.mrcs`.
  public var run: String
  /// The folder of the simulated set: `clean.mrcs` with `truth.star` or `rotations.npy`.
  public var truth: String
  /// How many neighbours of each image to look at, from the best; nil for all.
  public var neighbours: Int?
  /// The memory for polar spectra on each node, in bytes.
  public var memoryPerNode = 1 << 30

  /// Compares the run in one folder with the truth in another.
  public init(run: String, truth: String, neighbours: Int? = nil) {
    self.run = run
    self.truth = truth
    self.neighbours = neighbours
  }

  /// The measures, on rank 0, and nil on the others; collective. The same at any number of ranks.
  ///
  /// Throws `ReportedError` after an `InputError` on any rank has been printed, and `MPIError`.
  public func measure(on comm: Communicator, observer: any StageObserver = SilentObserver()) throws
    -> EvaluationSummary?
  {
    let truth = try comm.agree { try SimulationTruth(folder: self.truth) }
    let averages = try comm.agree { try openAverages(truth) }
    let slice = Partition(of: truth.count, among: comm.size).range(of: comm.rank)
    let rows = try distributedRows(truth, on: comm)
    let pairs = PairAlignments(clean: truth.clean, memoryPerNode: memoryPerNode)
    let alignments = try pairs.align(rows, first: slice.lowerBound, on: comm, observer: observer)

    var correlations: [Float] = []
    var angles: [Double] = []
    var rotationErrors: [Float] = []
    var probabilities: [Float] = []
    for (slot, alignment) in alignments.enumerated() {
      guard let alignment else { continue }
      correlations.append(alignment.correlation)
      if !rows.probability.isEmpty { probabilities.append(rows.probability[slot]) }
      angles.append(
        ViewingDirection.angle(
          truth.directions[slice.lowerBound + slot / rows.width],
          truth.directions[Int(rows.neighbours[slot])], isReflected: rows.reflected[slot] != 0))
      if alignment.correlation > EvaluationSummary.correlationBar {
        rotationErrors.append(
          angularDistance(
            rows.rotation[slot], alignment.rotation))
      }
    }
    let averageCorrelations = try comm.agree {
      try averages.map { try self.correlations(of: $0, with: truth.clean, in: slice) } ?? []
    }
    let allCorrelations = try comm.gatherRagged(correlations)
    let allAngles = try comm.gatherRagged(angles)
    let allErrors = try comm.gatherRagged(rotationErrors)
    let allAverages = try comm.gatherRagged(averageCorrelations)
    let allProbabilities = try comm.gatherRagged(probabilities)
    guard comm.isRoot else { return nil }
    return EvaluationSummary(
      images: truth.count, neighbours: rows.width, correlations: allCorrelations, angles: allAngles,
      rotationErrors: allErrors, averageCorrelations: averages == nil ? nil : allAverages,
      probabilities: allProbabilities)
  }

  /// This rank's rows of the neighbour table, which rank 0 reads; collective.
  private func distributedRows(_ truth: SimulationTruth, on comm: Communicator) throws
    -> RunTable
  {
    let whole = try comm.agree {
      comm.isRoot
        ? try RunTable.read(
          folder: run, width: neighbours, images: truth.count, truth: self.truth) : nil
    }
    let width = try comm.broadcast([whole?.width ?? 0])[0]
    let isCalibrated = try comm.broadcast([whole?.probability.isEmpty == false ? 1 : 0])[0] == 1
    let partition = Partition(of: truth.count, among: comm.size)
    let counts = (0..<comm.size).map { partition.range(of: $0).count * width }
    return RunTable(
      images: partition.range(of: comm.rank).count, width: width,
      neighbours: try comm.scatterRagged(whole?.neighbours ?? [], counts: counts),
      reflected: try comm.scatterRagged(whole?.reflected ?? [], counts: counts),
      rotation: try comm.scatterRagged(whole?.rotation ?? [], counts: counts),
      probability: try comm.scatterRagged(
        whole?.probability ?? [], counts: isCalibrated ? counts : counts.map { _ in 0 }))
  }

  /// The class averages, average i of image i; nil where the run wrote none. There may be fewer than
  /// images.
  private func openAverages(_ truth: SimulationTruth) throws -> MRCFile? {
    let path = run + "/averages.mrcs"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let averages = try MRCFile(path: path)
    guard averages.width == truth.clean.width, averages.height == truth.clean.height else {
      throw InputError(
        file: path,
        "images of \(averages.width) x \(averages.height) pixels; those of \(truth.clean.path) have "
          + "\(truth.clean.width) x \(truth.clean.height)")
    }
    guard averages.sections <= truth.count else {
      throw InputError(
        file: path,
        "holds \(averages.sections) averages; \(truth.clean.path) holds \(truth.count) images")
    }
    return averages
  }

  /// The correlation of each average of `slice` with its own clean image inside the disc.
  private func correlations(of averages: MRCFile, with clean: MRCFile, in slice: Range<Int>) throws
    -> [Double]
  {
    let disc = DiscCorrelation(side: clean.width)
    let size = clean.width * clean.height
    var average = [Float](repeating: 0, count: size)
    var image = average
    return try slice.clamped(to: 0..<averages.sections).map { i in
      try average.withUnsafeMutableBufferPointer {
        try averages.read(sections: i..<i + 1, into: $0)
      }
      try image.withUnsafeMutableBufferPointer { try clean.read(sections: i..<i + 1, into: $0) }
      return disc(average, image)
    }
  }
}
