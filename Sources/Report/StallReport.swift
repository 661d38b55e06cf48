/// Who waits and who is waited for, when no rank gets on.
struct StallReport {
  /// A rank as another one sees it.
  struct Rank {
    let host: String
    /// Nil where nothing was ever heard of it.
    let state: RankState?
    /// Whether it has been heard of lately.
    let isAlive: Bool
  }

  /// In the order of the ranks.
  let ranks: [Rank]
  /// Seconds without progress.
  let seconds: Double

  /// What there is to say, line by line. Ranks that are alike are told together.
  var lines: [String] {
    var waiting = Groups()
    var waitedFor = Groups()
    for (number, rank) in ranks.enumerated() {
      let stage = rank.state.flatMap { $0.stage.isEmpty ? nil : " (\($0.stage))" } ?? ""
      switch rank.state?.activity {
      case .waiting(let call) where rank.isAlive:
        waiting.add(number, rank.host, "in \(call)\(stage)")
      case .computing where rank.isAlive:
        waitedFor.add(number, rank.host, "outside communication\(stage)")
      case .blocked where rank.isAlive:
        waitedFor.add(number, rank.host, "in the kernel, for a disk or network file system\(stage)")
      default:
        waitedFor.add(number, rank.host, "silent: it is stopped, or its node has gone\(stage)")
      }
    }
    var lines = ["warning: no progress for \(Int(seconds)) s"]
    lines += waiting.lines.map { "  waiting: \($0)" }
    lines += waitedFor.lines.map { "  waited for: \($0)" }
    if waitedFor.lines.isEmpty {
      lines.append("  all wait: for the network, or by a fault of the program")
    }
    return lines
  }

  /// Ranks of one host that do the same.
  private struct Groups {
    private var members: [(host: String, what: String, ranks: [Int])] = []

    mutating func add(_ rank: Int, _ host: String, _ what: String) {
      if let place = members.firstIndex(where: { $0.host == host && $0.what == what }) {
        members[place].ranks.append(rank)
      } else {
        members.append((host, what, [rank]))
      }
    }

    var lines: [String] {
      members.map { group in
        "\(group.ranks.count == 1 ? "rank" : "ranks") \(Self.text(group.ranks)) on \(group.host), "
          + group.what
      }
    }

    /// Such as `0-2, 5`.
    private static func text(_ ranks: [Int]) -> String {
      var stretches: [ClosedRange<Int>] = []
      for rank in ranks {
        if let last = stretches.last, last.upperBound + 1 == rank {
          stretches[stretches.count - 1] = last.lowerBound...rank
        } else {
          stretches.append(rank...rank)
        }
      }
      return stretches.map {
        $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
      }
      .joined(separator: ", ")
    }
  }
}
