import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI
import ParticleIO
import Resume
import Volumes

/// The main job (the paper's Fig. 1): particles in; neighbours and class averages out.
public struct AveragePipeline {
  /// What the run is to do.
  public let options: AverageOptions
  /// The ranks that take part.
  public let comm: Communicator
  /// Told how far the run has come.
  public let observer: any StageObserver
  /// Where the run is saved, and goes on from; nil for a run that leaves no checkpoints.
  public let checkpoints: Checkpoints?

  /// A run over the ranks of `comm`.
  public init(
    options: AverageOptions, on comm: Communicator, observer: any StageObserver,
    checkpoints: Checkpoints? = nil
  ) {
    self.options = options
    self.checkpoints = checkpoints
    self.comm = comm
    self.observer = observer
  }

  /// Everything up to the neighbours. Collective.
  public struct Neighbours {
    /// The fitted model, with this rank's images in it.
    public let model: FittedModel
    /// On every rank; indices among the images that take part.
    public let table: NeighbourTable
    /// How suspects were found: not `auto`.
    public let search: SuspectSearch
    /// What the passes after the first did.
    public let passes: [PassReport]
    let rows: DistributedRows
  }

  /// Fits the model, finds suspects and ranks them. Collective.
  /// - Throws: `Interruption` where the run was asked to stop.
  public func findNeighbours(_ set: ParticleSet) throws -> Neighbours {
    try comm.agree { try options.validate(images: set.particles.count, ranks: comm.size) }
    let restored = try checkpoints?.restoredModel(set, options: options.model)
    let model =
      try restored
      ?? FittedModel(
        set, options: options.model, on: comm, observer: observer, stop: checkpoints?.stop)
    let images = model.partition.total
    try comm.agree { try options.validate(images: images, ranks: comm.size) }
    try comm.agree {
      if model.posterior.layout.componentCount == 0 { throw noSignal(model, "") }
    }
    let rows = try DistributedRows(model.statistics, partition: model.partition, on: comm)
    if restored == nil { try checkpoints?.save(model) }
    try checkpoints?.stop.throwIfAgreed()
    let pairModel = try PairModel(model.posterior, affinity: options.affinity ?? .mahalanobis)
    let compared =
      options.affinity == .euclidean
      ? try DistributedRows(
        model.posterior.denoised(model.statistics, groups: model.ownGroups(comm)).normalized,
        partition: model.partition, on: comm) : rows
    let scoring = SuspectScoring(
      model: pairModel, rows: compared, groups: model.groups.groupOfParticle,
      threads: options.model.threads, comm: comm, observer: observer)
    let search = chosenSearch(images: images, layout: model.posterior.layout)
    try comm.agree { try options.validateProbabilities(of: search) }
    let saved = try checkpoints?.restoredNeighbours(images: images)
    let (table, passes) =
      try saved
      ?? neighbours(search, model: model, scoring: scoring, statistics: rows)
    if saved == nil { try checkpoints?.save(neighbours: table, reports: passes) }
    try checkpoints?.stop.throwIfAgreed()
    return Neighbours(model: model, table: table, search: search, passes: passes, rows: rows)
  }

  /// The table of one search, on every rank.
  private func neighbours(
    _ search: SuspectSearch, model: FittedModel, scoring: SuspectScoring,
    statistics: DistributedRows
  ) throws -> (NeighbourTable, [PassReport]) {
    switch search {
    case .rir:
      return (try stoppable.rankSuspects(model, scoring, images: model.partition.total), [])
    case .allPairs, .auto:
      let found = try compareAllPairs(model.clean, scoring)
      return (try withProbabilities(found, search, model, scoring), found.reports)
    case .landmarks:
      let found = try compareWithLandmarks(model.clean, scoring, statistics)
      let table = try withProbabilities(found, search, model, scoring)
      return (found.passes.order?.inFileOrder(table) ?? table, found.reports)
    case .vdm:
      let graph = options.graphOptions
      let (table, passes) = try AveragePipeline(
        options: graph, on: comm, observer: observer, checkpoints: checkpoints
      ).neighbours(graph.search, model: model, scoring: scoring, statistics: statistics)
      let nearest = try VectorDiffusionMap.reordered(
        table, options: options.vdm, neighboursPerImage: options.neighbours,
        scoring: scoring.observed(by: stoppable.observer))
      return (nearest, passes)
    }
  }

  /// The same for stages that leave no checkpoint: they end at once when the run is asked to stop.
  var stoppable: AveragePipeline {
    guard let checkpoints else { return self }
    return AveragePipeline(
      options: options, on: comm,
      observer: StoppingObserver(observer, stop: checkpoints.stop), checkpoints: checkpoints)
  }

  private func noSignal(_ model: FittedModel, _ what: String) -> OptionError {
    OptionError(
      "no signal to compare images by: the covariance has \(model.posterior.layout.componentCount) "
        + "components above the noise (variance \(model.survey.noiseVariance))\(what); "
        + "check --noise-variance, --radius and --band-limit")
  }

  /// What `auto` means for this many images: all pairs, while the time predicted for one pass fits the
  /// budget; the same on any number of ranks.
  func chosenSearch(images: Int, layout: AngularLayout) -> SuspectSearch {
    if options.search != .auto { return options.search }
    if options.affinity == nil { return .rir }
    return SearchCost.automaticSearch(
      images: images, layout: layout, coreHours: options.searchBudget)
  }

  /// The invariants' suspects, ranked by the affinity or in the search's own order.
  private func rankSuspects(_ model: FittedModel, _ scoring: SuspectScoring, images: Int) throws
    -> NeighbourTable
  {
    let found = try suspects(model, count: min(options.suspectCount, images - 1))
    observer.stageBegan("affinity", items: found.suspects.count / 2)
    let table =
      options.affinity == nil
      ? try scoring.aligned(found, neighboursPerImage: options.neighbours)
      : try scoring.neighbours(
        of: model.partition.range(of: comm.rank).map { Int32($0) }, suspects: found.suspects,
        neighboursPerImage: options.neighbours)
    observer.stageEnded()
    return table
  }

  /// What a search has found.
  struct Found {
    /// Not cut to the neighbours asked for.
    var table: NeighbourTable
    /// Of the passes after the first.
    let reports: [PassReport]
    /// With the rows and the order of the table's images; they weigh its neighbours.
    var passes: ClassPasses
    /// What was matched to class averages; nil where nothing was.
    var particle: VolumeEstimate?
  }

  /// All pairs of images, then of classes, then shared landmarks.
  func compareAllPairs(_ model: CleanModel, _ scoring: SuspectScoring) throws -> Found {
    let passes = passes(model.posterior, scoring)
    let kept = options.affinity == .bayes ? passes.members : options.neighbours
    let start = try checkpoints?.restoredPass(images: scoring.groups.count)
    let table = try start?.table ?? compareImages(scoring, neighboursPerImage: kept)
    let result = try passes.run(table, after: start?.reports ?? [])
    return try sharingLandmarks(
      Found(table: result.table, reports: result.reports, passes: passes), model)
  }

  /// The neighbours in the end, after those of the passes: by classes that images share, then by slices of a volume
  /// as well.
  private func sharingLandmarks(_ found: Found, _ model: CleanModel) throws -> Found {
    let rounds = options.rounds ?? (found.passes.limit > 1 ? Self.rounds : 0)
    if rounds == 0 { return found }
    var result = found
    let classes = try SharedLandmarks(
      passes: found.passes, seed: options.seed, landmarks: options.landmarks, rounds: rounds
    ).run(found.table, isKept: options.slices > 0)
    result.table = classes.table
    result.passes.followsSharedLandmarks = true
    if options.slices == 0 { return result }
    let particle = try matchedVolume(result, model)
    result.particle = particle
    if let volume = particle.volume {
      result.table = try SliceLandmarks(
        passes: result.passes, volume: volume, radial: particle.radial,
        count: options.slices, seed: options.seed
      ).run(classes.table, sharing: classes.sharing)
    }
    return result
  }

  /// The volume whose slices are like the class averages of the neighbours found. Collective.
  func matchedVolume(_ found: Found, _ model: CleanModel) throws -> VolumeEstimate {
    let observer = stoppable.observer
    observer.stageBegan("volume", items: MatchingSize.rounds)
    defer { observer.stageEnded() }
    let known = try checkpoints?.restoredVolume(from: found.table)
    var passes = found.passes
    passes.observer = observer
    let particle = try VolumeEstimate(
      like: model.estimate, basis: model.basis, known: known, seed: options.seed,
      threads: options.model.threads, on: comm, observer: observer
    ) {
      try NeighbourFeatureExtraction(basis: model.basis, passes: passes)
        .classAverages(of: found.table, count: MatchingSize.images)
    }
    if known == nil, let volume = particle.volume {
      try checkpoints?.save(volume, from: found.table)
    }
    return particle
  }

  /// All pairs of images: the first pass.
  private func compareImages(_ scoring: SuspectScoring, neighboursPerImage kept: Int) throws
    -> NeighbourTable
  {
    let (rows, observer) = (scoring.rows, scoring.observer)
    observer.stageBegan("all pairs", items: AllPairsSearch.share(of: rows.partition, comm))
    let found = try AllPairsSearch(
      model: scoring.model, capacity: min(rows.partition.total - 1, kept + Self.margin),
      threads: options.model.threads, comm: comm, observer: observer
    ).run(rows, groups: scoring.groups, checkpoint: checkpoints?.search(pass: 1))
    observer.stageEnded()
    observer.stageBegan("affinity", items: found.suspects.count / 2)
    let table = try scoring.neighbours(
      of: found.images, suspects: found.suspects, neighboursPerImage: kept)
    try checkpoints?.save(.init(number: 1, table: table, reports: []))
    observer.stageEnded()
    return table
  }

  /// The passes that follow a first search of the images that `scoring` compares.
  func passes(_ posterior: PosteriorModel, _ scoring: SuspectScoring) -> ClassPasses {
    ClassPasses(
      posterior: posterior, rows: scoring.rows, groups: scoring.groups,
      members: ClassSize.members(
        images: scoring.groups.count, neighbours: options.neighbours),
      neighbours: options.neighbours,
      limit: options.passes ?? (options.affinity == .bayes ? Self.passLimit : 1),
      isAutomatic: options.passes == nil, threads: options.model.threads, comm: comm,
      observer: scoring.observer, checkpoints: checkpoints)
  }

  /// All pairs of a sample of the images; all images with its classes. The table's images are in the order that
  /// comes with it.
  /// - Parameter statistics: of all images, whatever it is that `scoring` compares.
  func compareWithLandmarks(
    _ model: CleanModel, _ scoring: SuspectScoring, _ statistics: DistributedRows
  ) throws -> Found {
    let images = scoring.groups.count
    let found = try LandmarkSearch(
      posterior: model.posterior, statistics: statistics, scoring: scoring,
      passes: passes(model.posterior, scoring),
      candidates: min(options.candidateCount, images - 1)
    ).run { try landmarkClasses(model, scoring, statistics) }
    return try sharingLandmarks(
      Found(table: found.table, reports: found.reports, passes: found.passes), model)
  }

  /// The classes of a sample of the images, by comparing all pairs of them.
  private func landmarkClasses(
    _ model: CleanModel, _ scoring: SuspectScoring, _ statistics: DistributedRows
  ) throws -> LandmarkClasses {
    let images = scoring.groups.count
    let landmarks = LandmarkClasses.draw(
      min(max(options.landmarks, options.neighbours + 1), images), of: images, seed: options.seed)
    let sample = try LandmarkClasses.sample(
      landmarks, of: statistics, groups: scoring.groups, on: comm)
    let found = try AveragePipeline(options: options.landmarkOptions, on: comm, observer: observer)
      .compareAllPairs(
        model,
        SuspectScoring(
          model: try PairModel(model.posterior, affinity: .bayes), rows: sample.rows,
          groups: sample.groups, threads: options.model.threads, comm: comm,
          observer: PrefixedObserver("landmarks:", stoppable.observer)))
    return try LandmarkClasses(of: landmarks, found.passes, table: found.table)
  }

  /// Candidates that the all-pairs search keeps beyond the neighbours asked for: its scores are those of
  /// a parabola, and the exact ones may exchange the last few.
  private static let margin = 10
  /// More passes than these are not made where they stop by themselves.
  private static let passLimit = 6
  /// Rounds of shared landmarks before slices: the second finds 2.5 % more at SNR 1/100 and as many at 1/40.
  public static let rounds = 2

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
        throw noSignal(model, ", too few for the invariants")
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

  /// Computes the averages of the first `count` images that take part, each on one rank, which gives them to its
  /// `sink`; none where that is nil. Collective.
  /// - Returns: what makes images of coordinates.
  public func average(
    _ neighbours: Neighbours, count: Int, into sink: (some ImageSink)?
  ) throws -> ImageSynthesis {
    observer.stageBegan("averages", items: count)
    let synthesis = ImageSynthesis(neighbours.model.posterior, basis: neighbours.model.basis)
    let averages = ClassAverages(
      model: neighbours.model, rows: neighbours.rows, synthesis: synthesis,
      threads: options.model.threads, comm: comm, observer: observer)
    if let sink {
      try averages.stream(neighbours.table, count: count, into: sink) {
        if comm.isRoot { try checkpoints?.stop.throwIfAsked() }
      }
    }
    observer.stageEnded()
    return synthesis
  }
}
