import ClassAveraging
import Execution
import Foundation

/// What the rounds of co-assignment cost that follow the passes (`CoAssignmentRounds`): R reference classes, of which each
/// image keeps L = 100; M members of their classes, in the first round and of the neighbours' classes in the end as
/// many as in the passes, m; the rest as in `CostModel`.
///
///     part              shared by all cores                    on every rank    rank 0 alone
///     each round        n R w operations, n A log2(R/A)        R l proposals
///                       candidates, R class(M), R M (w / 2 and
///                       3 C + 24 B operations)
///     all but the last  R M' w / 2 operations,                                  17 R M bytes saved
///                       R L l proposals
///     the last          n L l proposals, n class(m),
///                       n m (0.6 w operations, a candidate)
///
/// with l = min(2000, n L / R) images that a reference class proposes, whose lists every rank makes for itself, and
/// A = L + 2 R M / n reference classes kept of each image at first: those that it is a member of count as if it were none,
/// for which members are turned, taken out of the class and aligned. The reference class itself is one of its members.
/// Members are aligned 16 at a time, for half of what a candidate takes. M' members are new: M - m after the first
/// round, a seventh of M after the others (measured: 9 to 18 %). Images are compared 512 at a time: more threads than
/// such parts have no work.
extension CostModel {
  static let coAssignedPerImage = 100.0
  static let longest = 2000.0

  /// The stage of the rounds; none where there are no rounds.
  func coAssignmentStages(_ job: PlannedJob, ranks: Int, threads: Int) -> [Stage] {
    let rounds = job.roundsInForce
    if rounds == 0 { return [] }
    let units = Units(job)
    let network = self.network(job, ranks: ranks)
    let (n, references, perImage) = (
      units.n, Double(job.coAssignmentReferences),
      min(Self.coAssignedPerImage, Double(job.coAssignmentReferences))
    )
    let parts = (n / Double(ranks) / Double(ClassSize.comparedAtATime)).rounded(.up)
    var stage = Stage(name: StageName.coAssignment, usableThreads: min(Double(threads), parts))
    let alignment = units.pairOperations * machine.scoredOperation
    let memberAlignment = alignment / 2
    let length = min(Self.longest, n * perImage / references)
    var most = 0.0
    for round in 1...rounds {
      let size = round == 1 ? job.members : job.coAssignmentMembers
      let members = Double(size + 1)
      let kept = min(references, perImage + 2 * references * members / n)
      most = max(most, kept)
      stage.shared +=
        n * references * units.pairOperations * machine.pairOperation
        + n * kept * log2(max(2, references / kept)) * machine.candidate
        + references * units.classOperations(members: size) * machine.classOperation
        + references * members
        * (memberAlignment + 3 * units.turnOperations * machine.classOperation)
      stage.repeated += references * length * proposal
      network.coAssignmentRound(
        &stage, references: references, members: size, entries: n * perImage,
        lists: references * length)
      if round == rounds { break }
      let next = Double(job.coAssignmentMembers + 1)
      let new = round == 1 ? Double(job.coAssignmentMembers - job.members) : next / 7
      stage.shared += references * (new * memberAlignment + perImage * length * proposal)
      stage.root += 17 * references * next * (machine.writtenByte + machine.storedByte)
      network.newMembers(
        &stage, references: references, members: job.coAssignmentMembers, fetched: new)
    }
    let members = Double(job.members)
    stage.shared +=
      n
      * (perImage * length * proposal
        + units.classOperations(members: job.members) * machine.classOperation
        + members * (Self.scoredShare * alignment + machine.collectedCandidate))
    network.coAssignmentNeighbours(&stage)
    let memory = memory(job, ranks: ranks, threads: threads)
    memory.set(
      &stage,
      memory.coAssignment(references, perImage: perImage, kept: most, longest: Self.longest),
      copies: job.search == .landmarks ? 3 : 2,
      lists: memory.lists(of: references, perImage: perImage, longest: Self.longest))
    return [stage]
  }
}

extension NetworkCost {
  /// The members' rows, `ClassSize.membersAtATime` at a time; by reference classes most are the rank's own.
  private func fetchMembers(
    _ stage: inout CostModel.Stage, references: Double, members: Double, times: Double
  ) {
    let together = MemoryCost.referencesAtATime(images: n, members: members)
    let rounds = max(1, (references / p / together).rounded(.up))
    var rows = min(n, references / p / rounds * members)
    if job.search == .landmarks {
      rows =
        min(rows, Self.patch(of: n / p / rounds, Int(members), all: n))
        * elsewhere(Int(members), parts: Double(nodes))
    }
    fetch(&stage, rowsPerRank: times * rounds * rows, rounds: times * rounds)
  }

  /// Members, to the ranks that make the classes and once more to those that align them; the classes, to all; the
  /// members' scores, to the images; the reference classes' images, to the ranks that own the reference classes, and the best of
  /// them to all nodes.
  func coAssignmentRound(
    _ stage: inout CostModel.Stage, references: Double, members: Int, entries: Double, lists: Double
  ) {
    guard ranks > 1 else { return }
    fetchMembers(&stage, references: references, members: Double(members + 1), times: 2)
    toAll(&stage, bytes: references * row)
    exchange(&stage, bytes: 12 * references * Double(members + 1), times: 2)
    exchange(&stage, bytes: 8 * entries, times: 2)
    toNodes(&stage, bytes: 8 * lists)
  }

  /// New members, those among them that were none before, and what is saved of all.
  func newMembers(
    _ stage: inout CostModel.Stage, references: Double, members: Int, fetched: Double
  ) {
    guard ranks > 1 else { return }
    fetchMembers(&stage, references: references, members: fetched, times: 1)
    root(&stage, bytes: 17 * references * Double(members + 1))
  }

  /// Members of the classes of all images; the neighbours' classes; the neighbours, to all.
  func coAssignmentNeighbours(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    let together = Double(ClassSize.candidatesAtATime) / Double(job.members)
    if job.search == .landmarks {
      members(&stage)
      fetchPatches(&stage, candidates: job.members, atATime: together)
    } else {
      classes(&stage)
      let rounds = (n / p / together).rounded(.up)
      fetch(
        &stage, rowsPerRank: rounds * min(n, n / p / rounds * Double(job.members + 1)),
        rounds: rounds)
    }
    sharing(
      &stage, candidates: Double(job.members), batches: (n / p / together).rounded(.up),
      part: job.search == .landmarks ? elsewhere(job.members, parts: p) : 1)
    toAll(&stage, bytes: 13 * n * Double(job.members))
  }
}

extension MemoryCost {
  /// The reference classes on every rank and what an image is compared with; the members of a rank's reference classes with
  /// their scores, and their rows; what the reference classes propose; in the end classes and pairs as in a pass.
  /// - Parameters:
  ///   - perImage: reference classes of each image.
  ///   - kept: the same before those that it is a member of are put in order.
  ///   - longest: images that a reference class proposes at most.
  func coAssignment(
    _ references: Double, perImage: Double, kept: Double, longest: Double
  ) -> Double {
    let n = Double(job.images)
    let (own, members) = (references / Double(ranks), Double(job.coAssignmentMembers + 1))
    let row = 8 * Double(job.componentCount)
    let comparing = self.referenceClasses(references, perImage: kept)
    let together = min(own, Self.referencesAtATime(images: n, members: members))
    let rows = foreign * 2 * row * min(n, together * members) + 100 * own * members
    let lists = proposals(of: references, perImage: perImage, longest: longest)
    let tables = 26 * n * Double(job.members)
    let moved = job.search == .landmarks ? nodeRows : 0
    return fitted + moved + tables + comparing
      + max(rows, lists, nodeRows + best(Double(job.members)))
  }

  /// Own lists, and what a batch of pairs takes on its way: who asked for them, twice the pairs, and scores as they are
  /// made, sent and received.
  func best(_ candidates: Double) -> Double {
    let n = Double(job.images)
    let pairs = (n / Double(ranks)).rounded(.up) * candidates
    let batch = min(Double(ClassSize.candidatesAtATime), pairs)
    return 13 * pairs + 100 * batch
      + min(n, 2 * batch) * (foreign * 16 * Double(job.componentCount) + 64)
  }

  /// Reference classes of a rank whose members' rows are fetched at a time (`ReferenceWork`).
  static func referencesAtATime(images: Double, members: Double) -> Double {
    let most = Double(ClassSize.membersAtATime)
    return images <= most ? .infinity : max(1, most / members)
  }
}
