/// How large classes are.
public enum ClassSize {
  /// Members of reference classes whose rows a rank fetches at a time, about; those of all its reference classes at once
  /// where there are no more images.
  public static let membersAtATime = 1 << 16
  /// Images that a thread compares with reference classes at a time.
  public static let comparedAtATime = 512
  /// Candidates that a rank scores at a time. Between two such batches ranks wait for each other; and of a pair that
  /// both of its images ask for, in one batch, the score is found once.
  public static let candidatesAtATime = 1 << 19

  /// How many neighbours make a class among `images`: a small part of all views, at most 50.
  public static func members(images: Int, neighbours: Int) -> Int {
    min(images - 1, max(neighbours, min(50, images / 100)))
  }

  /// How many images make a reference class of the co-assignment: a fiftieth, up to 200, and no fewer than
  /// `least`.
  public static func sharedMembers(images: Int, atLeast least: Int) -> Int {
    max(least, min(200, images / 50))
  }
}
