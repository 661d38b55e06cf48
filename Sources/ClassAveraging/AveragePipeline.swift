import Foundation
import LinearAlgebra
import MPI
import ParticleIO

/// The main job (the paper's Fig. 1): particles in; neighbours and class averages out.
public struct AveragePipeline {
  public let options: AverageOptions
  public let comm: Communicator
  public let observer: any StageObserver

  /// Candidates that the all-pairs search keeps beyond the neighbours asked for: its scores are those of
  /// a parabola, and the exact ones may exchange the last few.
  private static let margin = 10

  public init(options: AverageOptions, on comm: Communicator, observer: any StageObserver) {
    self.options = options
    self.comm = comm
    self.observer = observer
  }

  /// Everything up to the neighbours. Collective.
  public struct Neighbours {
    public let model: FittedModel
    /// On every rank; indices among the images that take part.
    public let table: NeighbourTable
    let rows: DistributedRows
  }

  /// Fits the model, finds suspects and ranks them. Collective.
  public func findNeighbours(_ set: ParticleSet) throws -> Neighbours {
    try comm.agree { try options.validate(images: set.particles.count, ranks: comm.size) }
    let model = try FittedModel(set, options: options.model, on: comm, observer: observer)
    let images = model.partition.total
    try comm.agree { try options.validate(images: images, ranks: comm.size) }
    let listed = options.firstNeighbours
    let suspectCount = min(max(options.suspects, listed), images - 1)
    let rows = DistributedRows(model.statistics, partition: model.partition, on: comm)

    let pairModel = try PairModel(model.posterior, affinity: options.affinity ?? .mahalanobis)
    let scoring = SuspectScoring(
      model: pairModel, rows: rows, groups: model.groups.groupOfParticle,
      threads: options.model.threads, comm: comm, observer: observer)
    var table: NeighbourTable
    switch options.firstSearch {
    case .rir, .vdm:
      let found = try suspects(model, count: suspectCount)
      observer.stageBegan("affinity", items: found.count * suspectCount / 2)
      if options.affinity == nil {
        table = try scoring.aligned(found, neighboursPerImage: listed)
      } else {
        table = try scoring.neighbours(
          of: model.partition.range(of: comm.rank).map { Int32($0) }, suspects: found.suspects,
          neighboursPerImage: listed)
      }
    case .allPairs:
      observer.stageBegan("all pairs", items: 1000)
      let search = AllPairsSearch(
        model: pairModel, capacity: min(images - 1, listed + Self.margin),
        threads: options.model.threads, comm: comm, observer: observer)
      let found = try search.run(rows, groups: model.groups.groupOfParticle)
      observer.stageEnded()
      observer.stageBegan("affinity", items: found.suspects.count / 2)
      table = try scoring.neighbours(
        of: found.images, suspects: found.suspects, neighboursPerImage: listed)
    }
    if options.search == .vdm {
      observer.stageEnded()
      table = try VectorDiffusionMap.reordered(
        table, options: options.vdm, neighboursPerImage: options.neighbours, scoring: scoring)
    }
    table = try observer.communicating { try table.broadcast(on: comm) }
    observer.stageEnded()
    return Neighbours(model: model, table: table, rows: rows)
  }

  /// S suspects of each of this rank's images, by the invariants.
  private func suspects(_ model: FittedModel, count: Int) throws -> RingSearch {
    setBLASThreads(options.model.threads)
    defer { setBLASThreads(1) }
    observer.stageBegan("invariants", items: 1000)
    let means = model.posterior.denoised(model.statistics, groups: model.ownGroups(comm))
    let bispectrum = Bispectrum(
      layout: means.layout, weights: model.posterior.eigenvalues.flatMap { $0 },
      options: options.bispectrum)
    try comm.agree {
      if bispectrum.terms.isEmpty {
        throw OptionError(
          "no signal to compare images by: the covariance has \(means.layout.componentCount) components "
            + "above the noise (variance \(model.survey.noiseVariance)), too few for the invariants; "
            + "check --noise-variance, --radius and --band-limit")
      }
    }
    let features = try InvariantFeatures(
      of: means, bispectrum: bispectrum, options: options.features, over: comm,
      progress: { observer.stageAdvanced(to: Int($0 * 1000)) })
    observer.stageEnded()
    observer.stageBegan("suspects", items: 1000)
    let found = try RingSearch(
      features, partition: model.partition, suspectCount: count, over: comm,
      progress: { observer.stageAdvanced(to: Int($0 * 1000)) })
    observer.stageEnded()
    return found
  }

  /// Streams the averages of the first `count` images that take part to `consume` on rank 0; returns
  /// what makes images of coordinates. Collective.
  public func average(
    _ neighbours: Neighbours, count: Int, consume: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws -> ImageSynthesis {
    observer.stageBegan("averages", items: count)
    let synthesis = ImageSynthesis(neighbours.model.posterior, basis: neighbours.model.basis)
    let averages = ClassAverages(
      model: neighbours.model, rows: neighbours.rows, synthesis: synthesis,
      threads: options.model.threads, comm: comm, observer: observer)
    setBLASThreads(options.model.threads)
    defer { setBLASThreads(1) }
    try averages.stream(neighbours.table, count: count, consume: consume)
    observer.stageEnded()
    return synthesis
  }
}

extension PosteriorModel {
  /// Coefficients D^{1/2} alpha of the denoised images less their mean, in the orthonormal basis of
  /// eigenimages: what the invariants are computed of.
  func denoised(_ statistics: SteerableCoefficients, groups: ArraySlice<Int32>)
    -> SteerableCoefficients
  {
    var result = posteriorMeans(of: statistics, groups: groups)
    let scales = eigenvalues.flatMap { $0.map { Float($0.squareRoot()) } }
    let width = layout.componentCount * 2
    for i in result.lanes.indices { result.lanes[i] *= scales[i % width / 2] }
    return result
  }
}
