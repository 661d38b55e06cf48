import Execution
import Foundation
import Resume

/// The images that share most reference classes with an image, as its neighbours.
///
/// Of R reference classes image i belongs to l with the probability p_i(l), and
///
///     R s_ij = R sum over reference classes l of p_i(l) p_j(l)
///
/// is how much more probable it is than by chance that images i and j show the same view. The affinity is log R s_ij;
/// where there are reference classes of two kinds, classes and projections, the sum of both logarithms: either kind errs in its own
/// way, classes by the noise of their members, projections where images are not of one volume, and true neighbours are
/// alike by both.
struct CoAssignedNeighbours {
  /// Statistics of single images, and what makes a class.
  let source: ImageClasses
  /// Pairs of neighbours aligned at a time.
  var batch = ClassSize.candidatesAtATime

  /// Images that a reference class proposes at most: bounds work and memory.
  private static let longest = 2000
  /// Added to R s: lists of reference classes end somewhere, and to share none says little.
  private static let leastChance: Float = 0.1

  /// What orders images by the reference classes that they share. Collective.
  /// - Parameters:
  ///   - best: the reference classes of this rank's images, by log Bayes factors.
  ///   - temperature: what Bayes factors of reference classes are divided by: those of reference classes close to each other err alike.
  ///   - references: R.
  ///   - count: images proposed to each.
  func proposal(sharing best: BestReferences, temperature: Float, references: Int, count: Int)
    throws
    -> CandidateProposal
  {
    try CandidateProposal(
      sharing: best.probabilities(temperature: temperature), references: references,
      longest: Self.longest, count: count, images: source.images.count,
      threads: source.context.threads,
      on: source.context.comm)
  }

  /// The neighbours, `rule.members` of each image, on every rank, aligned by the images' classes. Collective.
  /// - Parameters:
  ///   - kinds: a proposal for each kind of reference classes.
  ///   - table: the neighbours that classes are made of.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether they are saved in the end, for stages that follow.
  /// - Throws: `LAPACKError`, `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func aligned(
    _ kinds: [CandidateProposal], _ table: NeighbourTable, parts: CheckpointParts?,
    isKept: Bool = false
  ) throws -> NeighbourTable {
    let (classes, common, _) = try source.statistics(of: table)
    let model = try PairModel(
      layout: source.posterior.layout, information: [common], affinity: .bayes,
      correlation: ClassCorrelation.largest)
    let all = CandidateProposal(uniting: kinds, count: kinds.count * source.rule.members)
    return try CandidateScoring(
      model: model, rows: classes, groups: .init(repeating: 0, count: source.images.count),
      threads: source.context.threads, comm: source.context.comm, observer: SilentObserver()
    ).best(
      of: source.rule.members, neighboursPerImage: source.rule.members, batch: batch, parts: parts,
      isKept: isKept
    ) { images in
      let ordered = all.ordered(of: images, keeping: source.rule.members) { sums in
        sums.reduce(0) { $0 + log($1 + Self.leastChance) }
      }
      return (ordered.candidates, ordered.affinities)
    }
  }
}
