"""Words for ``random_pet``."""

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADVERBS: Final = _words(
    "brightly calmly cheerfully clearly deeply early evenly fairly firmly freely gently gladly kindly "
    "lightly mildly neatly nearly openly partly plainly proudly quickly quietly rarely safely sharply "
    "simply slowly smoothly softly steadily surely sweetly truly warmly wisely"
)

ADJECTIVES: Final = _words(
    "able agile alert amber ample apt azure bold brave brisk bronze busy calm civil clever cool cosy "
    "crisp dapper daring deft eager early exact fair fleet fond frank fresh gentle glad golden grand "
    "green handy happy hardy honest jolly just keen kind lively loyal lucid lunar mellow merry mild "
    "modest neat nimble noble patient plain polite prime proud quick quiet ready robust rosy sage sharp "
    "silver sleek smart smooth snug solid spry steady stout sunny swift tidy tranquil true vivid warm "
    "wise witty young zesty"
)

ANIMALS: Final = _words(
    "adder alpaca badger bat bear beaver bee bison boar bobcat buck camel cat chamois cheetah chick "
    "cicada clam cobra cod colt condor crab crane cricket crow deer dingo dolphin donkey dove duck eagle "
    "eel egret elk emu ermine falcon fawn ferret finch fox frog gecko gibbon goose grouse gull hamster "
    "hare hawk hen heron hornet horse ibex ibis jackal jaguar jay kite kiwi koala lamb lark lemur lion "
    "lizard llama lobster lynx macaw magpie marten mink mole moose moth mouse mule newt octopus orca "
    "oriole osprey otter owl ox oyster panda parrot perch pigeon pika pike pony puffin puma quail rabbit "
    "raven robin salmon seal shrew skylark sloth snail sparrow squid stag stork swan tapir tern tiger "
    "toad trout turtle viper vole walrus wasp weasel whale wolf wombat wren yak zebra"
)
