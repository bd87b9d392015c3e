// English plots of the forest, the weather and the sea, with the minke whale; see plots.h.
#include "corpus/plots.h"

namespace minke::corpus {
namespace {

constexpr Plot kPlots[] = {
    {Cast::whale, "the little whale who lost {the way|$a_his mother}",
     "{guide=an old turtle|a seal|a puffin|a dolphin|a wise old seal}{sea=the cold sea|the North Sea|the blue bay|the "
     "deep blue sea}",
     "$a swam through $sea with $a_his mother every day. $a_he loved to {jump out of the water|dive down to the green "
     "weeds|chase the {herring|silver fish}}. \"Stay close to me,\" $a_his mother always said. ",
     "#time $a saw {a cloud of silver fish|a jellyfish that shone like a lamp|a ship with white sails} and swam after "
     "it, {farther and farther|on and on}. When $a_he turned round, $a_his mother was gone. There was only {fog|grey "
     "water} all around. $a was #scared. ",
     "\"Why are you crying, little minke whale?\" asked $guide. \"I cannot find my mother,\" said $a. \"{In the sea "
     "you find your way with your ears, not with your eyes|Do not swim about. Be still and listen}. Sound goes far in "
     "the water,\" said {the helper|the friendly stranger}. $a became very quiet. {At first $a_he heard only the "
     "waves.|} Then, far away, $a_he heard a deep, slow song. ",
     "\"That is my mother's song!\" {called|cried} $a. $a_he swam towards it, and the song grew {louder and "
     "louder|stronger and stronger}, until a big warm side was next to $a_him. \"{There you are|My little one},\" said "
     "$a_his mother. $a was #happy and stayed close to her all day. ",
     "if you are lost, be still and listen"},
    {Cast::whale, "the {net|whale and the net}",
     "{child=girl|boy|fisherman}{boat=small boat|rowing boat|fishing boat|#colour boat}",
     "$a wanted to see the {coast|harbour|lights of the village} up close. One {calm|quiet|misty} morning $a_he swam "
     "to the {bay|mouth of the river}. ",
     "But an old net was floating in the water. Before $a knew it, $a_his tail was caught. The more $a_he pulled, the "
     "tighter the net became. $a could hardly come up to breathe. ",
     "@ $child in @ $boat saw the whale. \"{Do not be afraid|Be calm}, I will help you,\" said the $child and took {a "
     "knife|a pair of scissors}. $a was #scared, but $a_he lay still. {One rope after another was cut.|Snip, snip, "
     "snip went the blade.} ",
     "At last the net fell off. $a was free! $a_he swam {around the $boat three times|under the $boat and up again} "
     "and blew a {tall|big} fountain into the air, {just like a thank you|as if to say thank you}. The $child "
     "{waved|laughed}. {Then the $child pulled the net out of the sea, so that nobody could be caught in it "
     "again.|Every year, on the same day, the whale came back to the bay.} ",
     "whoever keeps calm can be helped"},
    {Cast::whale, "the whale and the lighthouse",
     "{keeper=Old Jonas|Old Martha|Captain Reed|Miss Pearl}{ship=#colour ship|ferry|fishing boat|sailing ship}",
     "$a lived near a lighthouse. Every night its light turned round and round over the sea, and $a liked to watch it. "
     "In the lighthouse lived $keeper. ",
     "One night {a storm came|there was thick fog}, and the lamp of the lighthouse went out. Out there @ $ship was "
     "coming, straight towards the rocks! \"They cannot see the rocks,\" thought $a. \"What can I do?\" ",
     "$a was only a little minke whale, but $a_he knew {every rock|the way through the rocks}. $a_he swam to the "
     "$ship, blew {a loud fountain|as loudly as $a_he could} and slapped the water with $a_his tail. \"A whale!\" "
     "{called|cried} the captain. \"It wants to show us something. Follow it!\" Slowly, slowly $a swam ahead and the "
     "$ship followed. ",
     "When the lamp was burning again, the $ship was safe in the harbour. The captain and $keeper stood on the "
     "{pier|shore} and {waved their hats|clapped their hands}. \"{A small whale saved a big ship|Thank you, little "
     "whale}!\" they called. $a {jumped high out of the water|turned over in the waves} and was #happy. ",
     "even the small can show the way to the big"},
    {Cast::animal, "the bridge", "{who=$b the $b_kind}{log=log|fallen tree|long branch}{storm=storm|flood|heavy rain}",
     "$a wanted to visit $a_his {aunt|cousin|grandmother} on the other side of the river. $a_he packed {a basket of "
     "$a_food|some $a_food for the way} and set off early. ",
     "But when $a came to the river, the bridge was gone. The $storm had carried it away. {The water was deep and "
     "fast.|} $a {tried to jump|looked for a shallow place}, but the river was too wide. ",
     "Then $who came along. \"I want to cross too,\" said $b. \"{Alone I cannot move the $log over there. Together we "
     "can|See that $log? It is too heavy for one}.\" They pushed and pulled. {A bird on a branch called, \"One, two, "
     "three!\"|\"One, two, three!\" they called.} Slowly the $log moved, and at last it lay across the water. ",
     "First $a went over, then $b. \"Now we have a bridge, and everyone else has one too,\" said $a. They shared the "
     "$a_food and {laughed|sang} all the way. ",
     "together we can move what is too heavy for one"},
    {Cast::animal, "the {race|great race}", "{goal=the old mill|the big oak|the white stone|the well}",
     "$a was the fastest runner {in the forest|far and wide}. \"{Nobody can beat me|I am faster than the wind}!\" "
     "$a_he {said every day|told everyone}. $b the $b_kind was tired of hearing it. \"Let us race to $goal,\" said "
     "$b. ",
     "$a laughed and {ran off|shot away like an arrow}. Half way $a_he looked back. $b was nowhere to be seen. \"I "
     "have so much time,\" said $a, \"I can {take a nap|eat some $a_food|count the clouds}.\" And so $a_he sat down "
     "{in the shade|under a tree} and {soon fell asleep|soon forgot the race}. ",
     "$b did not stop. Step by step, {up the hill and down the hill|through mud and over stones}, $b went on. When $a "
     "{woke up|looked up}, the sun was low. $a_he jumped up and ran as never before. ",
     "But $b was already sitting at $goal. \"{You are faster, but I did not stop|Good evening},\" said $b with a "
     "smile. $a was {red in the face|ashamed at first}, but then $a_he laughed. \"You won, and I have learned "
     "something,\" said $a and {shook $b's hand|shared the $a_food with $b}. ",
     "slow and steady reaches the goal"},
    {Cast::animal, "the {first|deep} winter",
     "{work=gathered $a_food|carried leaves into the house|filled the holes in the wall}",
     "Autumn came, and {the leaves turned red|the nights grew cold}. $a {worked every day|was busy from morning to "
     "night} and $work. $a wanted to be ready when the snow came. ",
     "$b the $b_kind only {danced|sang|lay in the sun}. \"Winter is far away,\" said $b. But one night {a cold wind "
     "blew|it began to snow}, and in the morning everything was white. $b had nothing to eat and {no warm bed|a cold "
     "house}. ",
     "$b knocked at $a's door. {Knock, knock.|} \"I was foolish,\" said $b with cold feet. \"May I {warm myself|come "
     "in} for a moment?\" $a could have said no. But $a #thought. Then $a_he said, \"{Come in, there is room for "
     "two|Sit by the fire. There is enough for both of us}.\" ",
     "All winter long they lived together. $a {shared the $a_food|cooked}, and $b {told stories and sang|sang songs in "
     "the long evenings}, so that the winter felt {short|warm}. And when the next autumn came, $b was the first one to "
     "{get up and work|fill the store}. ",
     "work in good time, and have a warm heart for those who did not"},
    {Cast::any, "the kite in the tree", "{colour=#colour}{tree=oak|pine tree|apple tree|tall poplar|chestnut tree}",
     "There was a {strong|fine|fresh} wind that day, and $a wanted to fly $a_his $colour kite. Up it went, {higher "
     "than the houses|up and up|high over #place}! ",
     "Suddenly the wind turned, and the kite flew into the top of @ $tree. $a pulled {the string|and pulled}, but the "
     "kite was stuck. $a_he {jumped|threw a stick}, but the tree was much too {tall|high}. ",
     "$b_intro came by and looked up. \"{Do not pull so hard, or it will tear|If you pull, it will tear},\" said $b. "
     "\"{Wait until the wind turns. Then pull gently to the other side|Let the string go loose. The wind that put it "
     "there can lift it out}.\" {They sat down and waited.|$a did not believe it, but $a_he waited.} ",
     "After a while {the leaves moved the other way|a gust of wind came}. \"Now!\" called $b. $a gave a {soft|small} "
     "pull, and the kite was free. It danced in the sky again. {\"May I hold it too?\" asked $b. \"Of course,\" said "
     "$a.|Then they took turns to fly it until the evening.} ",
     "sometimes waiting is the cleverest thing to do"},
    {Cast::any, "the rainy {picnic|day}",
     "{food=sandwiches|apples|a cake|cheese and bread|pears|pancakes}{tent=an old sheet|a big blanket|two umbrellas|a "
     "table cloth}",
     "$a and $b_intro had planned a picnic at #place. They had packed $food and {lemonade|juice|tea}. {All week they "
     "had been looking forward to it.|}",
     " But when they wanted to leave, {dark clouds came|it grew dark}, and it started to rain. First it was a drop, "
     "then ten, then {a thousand|too many to count}. \"Our picnic is ruined,\" said $a {and looked out|and sighed}. $a "
     "was #sad. ",
     "$b looked at the rain and then at {the floor|the room|the wall}. \"Who says a picnic must be outside?\" asked "
     "$b. \"{All we need is|Look, here is} $tent!\" They {built a tent between two chairs|put it up between the table "
     "and the wall}, and {crept inside|sat down under it}. ",
     "The rain {drummed|sang} on the roof, and inside it was {warm and dry|cosy}. They ate $food and told "
     "{riddles|stories|jokes}. \"{This is better than sunshine|I hope it rains again tomorrow},\" said $a, and both "
     "laughed. {When they came out, there was a rainbow in the sky.|} ",
     "a good day does not depend on the weather"},
    {Cast::animal, "the moon in the {pond|well}", "{water=pond|well|lake|puddle}",
     "One {clear|quiet|warm} night $a saw the moon. It was round and {yellow like cheese|bright like gold}. \"I want "
     "to have it,\" said $a. ",
     "$a_he climbed on {a stone|a hill|a high branch}, but the moon was too far away. Then $a looked into the $water, "
     "and there was the moon, right in the water! $a_he {reached for it|jumped in}. Splash! The moon broke into a "
     "hundred pieces. \"I have broken the moon!\" cried $a. ",
     "$b the $b_kind had {seen everything|watched}. \"{Wait a little|Be still},\" said $b. They waited until the water "
     "was smooth. The moon came back, as round as before. \"It is only a picture of the moon,\" {explained $b|said "
     "$b}. \"The water is like a mirror. The real one is up there, and it belongs to {everyone|nobody and to all}.\" ",
     "$a looked up, and then down, and then up again. \"Then I have two moons to look at,\" $a_he said. {The two "
     "friends sat by the $water until morning.|They lay in the grass and looked at both.} ",
     "some things are there to look at and not to have"},
    {Cast::animal, "the {egg|strange egg}", "{bird=duckling|little swan|chick|gosling|baby stork}",
     "#time $a found {a white|a big|a spotted} egg in the grass. It was still warm. \"Whose egg is this?\" $a_he "
     "asked. $a wanted to bring it home to its mother. ",
     "$a asked the hen. \"It is not mine,\" said the hen. $a asked the {sparrow|crow|blackbird}. \"Mine are smaller,\" "
     "was the answer. {The clouds grew dark and the wind was cold.|It was getting late and cold.} \"If it gets cold, "
     "{the little one will freeze|it will never hatch},\" thought $a. ",
     "\"Keep it warm,\" said $b the $b_kind, \"and I will {run and ask everyone|look for the nest}.\" So $a curled "
     "around the egg and {did not move|sat very still} while $b searched {the reeds|the whole shore}. ",
     "Then there was a small crack. Tick, tick! The shell opened, and out came a wet $bird. At the same moment $b came "
     "back with a {worried|tired} mother bird. \"{My baby|My child}!\" she cried. \"You kept it warm. I will never "
     "forget it.\" $a was #happy, and so was $b. ",
     "even a stranger deserves your care"},
    {Cast::animal, "lost in the {forest|wood}",
     "{sign=the moss on the trees|the stream|the evening star|the smell of smoke}",
     "$a wanted to find {the sweetest berries|the biggest mushrooms|the place where the sun goes down}. $a_he went "
     "into the forest, {deeper and deeper|farther than ever before}. ",
     "When $a wanted to go home, every tree looked the same. $a_he went left and then right, and {an hour later|after "
     "a long time} $a_he stood at the same {stone|tree} again. It was getting dark. \"I am lost,\" $a_he whispered. ",
     "\"Who is there?\" asked a voice. It was $b the $b_kind. \"{I was lost once too|That happens to everyone},\" said "
     "$b. \"{Never run when you are lost|First sit down and breathe}. Then look for a sign. Do you see $sign? It will "
     "lead us {home|out of here}.\" ",
     "They followed $sign, step by step, and {soon they saw a light|at last the trees stood farther apart}. There was "
     "the light of home! $a's {mother|father} ran to meet them. \"Next time I will {mark my way|tell you where I "
     "go},\" $a promised. And $b stayed for supper and ate {a whole plate|three plates} of $a_food. ",
     "when you are lost, stop, breathe and look for a sign"},
    {Cast::child, "the snow{man|woman}",
     "{nose=a carrot|a small cucumber|a red pepper}{hat=an old hat|a bucket|a pot|a blue cap}",
     "It had snowed all night. $a wanted to build the biggest snowman {in the street|in the village|of all}. $a_he "
     "rolled one ball, then another. ",
     "But the ball for the middle became so {big|heavy} that $a could not lift it. $a pushed and pulled. The ball did "
     "not move. $a_his hands were cold and $a_he was {tired|angry}. \"It is too much for me,\" said $a. ",
     "$b_intro had been watching from the {window|gate}. \"{I want to build one too|I have been trying to build one as "
     "well}, but {my snowman has no body|I only have a head},\" said $b. They looked at each other. \"{Then we build "
     "one together|Let us put them together}!\" With four hands the ball was light. ",
     "They gave him $nose for a nose and $hat for the head. {He looked so funny that everyone who passed by had to "
     "laugh.|He was taller than both of them.} When the sun came and the snowman grew thin, $a was not sad. \"Next "
     "winter we will build him again,\" said $b. ",
     "with four hands the work is light"},
    {Cast::child, "the {lost|little} {puppy|dog}",
     "{{pet=puppy}{sound=barked}|{pet=kitten}{sound=meowed}|{pet=parrot}{sound=whistled}|{pet=goat}{sound=bleated}}{"
     "street=Mill Street|Hill Road|Station Street|Garden Lane|Harbour Street}",
     "#time $a found a little $pet {in front of the door|on the way to school|in the rain}. It $sound and looked at "
     "$a_him with {big|bright|sad} eyes. $a had always wanted to have @ $pet. ",
     "$a took it home and gave it {food|water and food}. But around its {neck|leg} was {a small|@ #colour} band, and "
     "on it stood: $street {4|7|12|15|23}. \"It belongs to somebody,\" said $elder. $a swallowed. $a_he wanted so much "
     "to keep it. ",
     "\"How would you feel if you had lost it?\" asked $elder. $a #thought. \"I would be {sad|looking for it all "
     "night},\" $a_he said. So they went to $street together. {$a carried the $pet in $a_his arms.|The $pet knew the "
     "way and ran ahead.} ",
     "At the house @ $b_kind opened the door with red eyes. \"You found my $pet!\" {cried the child|said the child}, "
     "and the $pet $sound with joy. \"Would you like to come and play with it? {Every day|Whenever you want}?\" $a was "
     "#happy. Now $a had half @ $pet and a whole friend, and the friend's name was $b. ",
     "doing right feels better than keeping what is not yours"},
};

}  // namespace

std::span<const Plot> english_wild_plots() { return kPlots; }

}  // namespace minke::corpus
