import ClassAveraging
import Execution
import Foundation

/// What a search by reference classes costs: N reference classes, of which each image keeps L = 40 and has S candidates, c of them
/// scored exactly; the rest as in `CostModel`.
///
///     stage              shared by all cores                                        rank 0 alone
///     references/...     all pairs of N images, with their passes
///     reference classes  3 n N w operations, 3 n L log2(N/L) candidates,
///                        2 N class(M), 2 N M alignments of w operations
///     candidates         n L min(10 S, n L / N) proposals, n S (0.6 w operations,  13 n M bytes saved,
///                        a candidate)                                               order of the reference classes
///     pass               n class(M) + 26 q K w operations, n (2 l + 1)^2 proposals, 13 n M bytes saved
///                        n S (0.6 w operations, a candidate)
///
/// with l = 20 links of each image and as many to it. From the candidates on, ranks own patches of views
/// (`LocalityOrder`): m images with S candidates each need the rows of a patch of (m^1/2 + 3 S^1/2)^2 images, of which
/// those of other ranks are the part by which a rank's own patch grows when its side becomes 1.5 S^1/2 longer; by
/// simulated images at SNR 1/40, noise makes it more.
extension CostModel {
  private static let referencesPerImage = 40.0
  private static let comparisons = 3.0
  private static let links = 20.0
  /// Pairs that are scored, of those that images ask for: some are asked for by both.
  static let scoredShare = 0.6

  /// Seconds for an image that a reference class or a neighbour proposes as a candidate, of which most are proposed
  /// again and again: a number is added to another. Not worth a measurement of its own.
  var proposal: Double { machine.collectedCandidate / 1000 }

  /// Images that a reference class proposes at most, ten times as many as there are candidates of an image.
  static func longestProposal(_ job: PlannedJob) -> Double { 10 * Double(job.candidates) }

  /// Images that the reference classes of all images propose, again and again.
  static func proposals(_ job: PlannedJob) -> Double {
    let n = Double(job.images)
    let length = min(longestProposal(job), n * referencesPerImage / Double(job.sample.images))
    return n * referencesPerImage * length
  }

  /// Links that are followed while the graph of the reference classes, some twelve of each, is cut into ever smaller parts:
  /// a part of m reference classes takes m / 4 rounds, 30 to 600.
  private static func orderedLinks(_ references: Double) -> Double {
    var (part, links) = (references, 0.0)
    while part > 2 {
      links += 12 * references * min(600, max(30, part / 4))
      part /= 2
    }
    return links
  }

  /// Those of a search by reference classes, with its passes.
  func referenceStages(_ job: PlannedJob, ranks: Int, threads: Int) -> [Stage] {
    let units = Units(job)
    let network = self.network(job, ranks: ranks)
    let memory = self.memory(job, ranks: ranks, threads: threads)
    let sample = job.sample
    let (n, classes) = (units.n, Double(sample.images))
    let (members, candidates) = (Double(job.members), Double(job.candidates))
    let firstLists = Double(job.firstLists)
    let classesOfMembers = units.classOperations(members: job.members) * machine.classOperation
    let scored =
      n * candidates
      * (Self.scoredShare * units.pairOperations * machine.scoredOperation
        + machine.collectedCandidate)

    var stages = pairStages(sample, ranks: ranks, threads: threads).map { stage in
      var stage = stage
      stage.name = StageName.stage(stage.name, of: StageName.referencePart)
      stage.root = 0
      let own = self.memory(sample, ranks: ranks, threads: threads)
      stage.memory += memory.fitted - own.fitted
      stage.commonMemory += memory.nodeRows - own.nodeRows
      return stage
    }

    var comparison = Stage(name: StageName.referenceClasses, usableThreads: Double(threads))
    let entered = n * Self.referencesPerImage * log2(max(2, classes / Self.referencesPerImage))
    let compared =
      n * classes * units.pairOperations * machine.pairOperation + entered * machine.candidate
    let alignments = members * units.pairOperations * machine.scoredOperation
    comparison.shared =
      Self.comparisons * compared
      + (Self.comparisons - 1) * classes * (classesOfMembers + alignments)
    memory.set(
      &comparison,
      memory.fitted + memory.referenceClasses(classes, perImage: Self.referencesPerImage))
    network.referenceClasses(
      &comparison, classes: classes, perImage: Self.referencesPerImage,
      refinements: Self.comparisons - 1)
    stages.append(comparison)

    var finding = Stage(name: StageName.candidates, usableThreads: Double(threads))
    finding.shared = Self.proposals(job) * proposal + scored
    finding.root =
      saving(images: n, neighbours: firstLists) + 4 * Self.orderedLinks(classes)
      * machine.scoredOperation
    memory.set(
      &finding,
      memory.fitted
        + memory.candidates(
          perImage: Self.referencesPerImage, references: classes, kept: firstLists), copies: 2,
      lists: memory.lists(
        of: classes, perImage: Self.referencesPerImage, longest: Self.longestProposal(job)))
    network.ordering(&finding, perImage: Self.referencesPerImage)
    network.candidates(&finding, entries: n * Self.referencesPerImage, kept: firstLists)
    stages.append(finding)

    for number in 2..<max(2, job.passes + 1) {
      var pass = Stage(name: StageName.pass(number), usableThreads: Double(threads))
      let links = 2 * Self.links + 1
      pass.shared =
        n * classesOfMembers + Self.triedPairs(job) * units.pairOperations
        * machine.scoredOperation + n * links * links * proposal + scored
      pass.root = saving(images: n, neighbours: members)
      let lists = 8 * n * links
      memory.set(
        &pass,
        memory.fitted + memory.nodeRows + lists
          + memory.candidates(perImage: 0, references: 0, kept: 2 * members), copies: 3,
        lists: lists)
      network.members(&pass)
      network.toNodes(&pass, bytes: lists)
      network.candidates(&pass, entries: 0, kept: members)
      stages.append(pass)
    }
    return stages
  }
}

extension MemoryCost {
  /// The classes on every rank, twice while they are made anew, and the reference classes of a rank's images.
  func referenceClasses(_ classes: Double, perImage: Double) -> Double {
    let rows = Double(job.images) / Double(ranks)
    return 24 * classes * Double(job.componentCount) + 17 * rows * perImage
  }

  /// The images that reference classes propose: a rank's own as they are sent, received and put together, then all ranks',
  /// which a node has once.
  /// - Parameters:
  ///   - perImage: reference classes of each image.
  ///   - longest: images that a reference class proposes at most.
  func proposals(of references: Double, perImage: Double, longest: Double) -> Double {
    24 * Double(job.images) * perImage / Double(ranks)
      + lists(of: references, perImage: perImage, longest: longest)
  }

  /// All ranks' part of that.
  func lists(of references: Double, perImage: Double, longest: Double) -> Double {
    8 * min(references * longest, Double(job.images) * perImage)
  }

  /// The locality order and the components in it; what the reference classes propose; a batch of pairs with its images, and
  /// the table of all.
  func candidates(perImage: Double, references: Double, kept: Double) -> Double {
    let n = Double(job.images)
    let lists = proposals(
      of: references, perImage: perImage, longest: CostModel.longestProposal(job))
    let pairs = min(
      Double(ClassSize.candidatesAtATime), n / Double(ranks) * Double(job.candidates))
    let images = NetworkCost.patch(of: pairs / Double(job.candidates), job.candidates, all: n)
    let fetched =
      images * (foreign * 16 * Double(job.componentCount) + 4 * Double(job.groups) + 60)
    return 12 * n + nodeRows + lists + 92 * pairs + fetched + 13 * n * kept
  }
}

extension NetworkCost {
  /// The reference classes' best images, to the ranks that make the classes; the members; the classes, to all.
  func referenceClasses(
    _ stage: inout CostModel.Stage, classes: Double, perImage: Double, refinements: Double
  ) {
    guard ranks > 1 else { return }
    for _ in 0..<Int(refinements) {
      exchange(&stage, bytes: 8 * n * perImage, times: 1)
      fetch(
        &stage, rowsPerRank: classes / p * min(n / 256, Double(job.members + 1)),
        rounds: (classes / p / 256).rounded(.up))
      toAll(&stage, bytes: classes * row)
    }
  }

  /// Images whose rows a patch of `images` needs that have so many candidates each, among `all`.
  static func patch(of images: Double, _ candidates: Int, all: Double) -> Double {
    let side = images.squareRoot() + 3 * Double(candidates).squareRoot()
    return min(all, side * side)
  }

  /// Rows fetched for all images of a rank, `length` at a time.
  func fetchPatches(
    _ stage: inout CostModel.Stage, candidates: Int, atATime length: Double
  ) {
    let rounds = (n / p / length).rounded(.up)
    let rows = rounds * Self.patch(of: min(length, n / p), candidates, all: n)
    fetch(
      &stage, rowsPerRank: rows * elsewhere(candidates, parts: Double(nodes)), rounds: rounds)
  }

  /// What images need of others, `candidates` each, where ranks or nodes own patches of views: the part that is not
  /// their own, over that of images in any order.
  /// - Parameter parts: ranks or nodes.
  func elsewhere(_ candidates: Int, parts: Double) -> Double {
    if parts == 1 { return 0 }
    let own = (n / parts).squareRoot()
    let inside = own / (own + 1.5 * Double(candidates).squareRoot())
    return min(1, (1 - inside * inside) * parts / (parts - 1))
  }

  /// Pairs of reference classes that images share; their places, to all; rows and lists to the ranks that own them in the
  /// locality order, 4,096 images at a time.
  func ordering(_ stage: inout CostModel.Stage, perImage: Double) {
    guard ranks > 1 else { return }
    exchange(&stage, bytes: 144 * n, times: 1)
    toAll(&stage, bytes: 4 * n)
    let times = (n / p / 4096).rounded(.up)
    fetch(&stage, rowsPerRank: n / p, rounds: times)
    exchange(&stage, bytes: 8 * n * perImage, times: times)
  }

  /// The members of the classes of all images.
  func members(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    fetchPatches(&stage, candidates: job.members, atATime: together)
  }

  /// Entries of lists to all nodes; the candidates' images; the neighbours, to all.
  func candidates(_ stage: inout CostModel.Stage, entries: Double, kept: Double) {
    guard ranks > 1 else { return }
    exchange(&stage, bytes: 8 * entries, times: 1)
    toNodes(&stage, bytes: 8 * entries)
    fetchPatches(
      &stage, candidates: job.candidates,
      atATime: Double(ClassSize.candidatesAtATime) / Double(job.candidates))
    sharing(
      &stage, candidates: Double(job.candidates),
      batches: (n / p * Double(job.candidates) / Double(ClassSize.candidatesAtATime)).rounded(.up),
      part: elsewhere(job.candidates, parts: p))
    toAll(&stage, bytes: 13 * n * kept)
  }
}
